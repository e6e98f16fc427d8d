// The theme, the contents, copying. Everything here works without figures.

const root = document.documentElement;
root.classList.add('js');
const all = (selector, within = document) => [...within.querySelectorAll(selector)];
const say = text => { document.querySelector('.said').textContent = text; };
for (const tools of all('.tools, .copy, .filters, .only, .numbers')) tools.hidden = false;

// theme: the system's, until the button says otherwise; what it says lasts as long as the tab
const dark = window.matchMedia('(prefers-color-scheme: dark)');
const themeButton = document.querySelector('.theme');
const isDark = () => (root.dataset.theme ? root.dataset.theme === 'dark' : dark.matches);
const kept = {
  get theme() { try { return sessionStorage.getItem('lth-bench-theme'); } catch { return null; } },
  set theme(name) { try { sessionStorage.setItem('lth-bench-theme', name); } catch { /* a private tab */ } },
};
function themed() {
  themeButton.setAttribute('aria-pressed', String(isDark()));
  recolour();
}
themeButton.addEventListener('click', () => {
  root.dataset.theme = isDark() ? 'light' : 'dark';
  kept.theme = root.dataset.theme;
  themed();
});
dark.addEventListener('change', themed);
if (kept.theme) root.dataset.theme = kept.theme;
themeButton.setAttribute('aria-pressed', String(isDark()));

// contents
const nav = document.querySelector('nav');
const menu = document.querySelector('.menu');
if (!nav) menu.hidden = true;
menu.addEventListener('click', () => {
  const open = nav.classList.toggle('open');
  menu.setAttribute('aria-expanded', String(open));
});
if (nav) {
  const links = new Map(all('a', nav).map(a => [a.getAttribute('href').slice(1), a]));
  const heads = all('main [id]').filter(head => links.has(head.id));
  let waiting = false;
  const spy = () => {
    waiting = false;
    let here = heads[0];
    for (const head of heads) {
      if (head.offsetParent && head.getBoundingClientRect().top < window.innerHeight / 3) here = head;
    }
    for (const link of links.values()) link.removeAttribute('aria-current');
    for (const task of all('.task', nav)) task.classList.remove('here');
    if (!here) return;
    const link = links.get(here.id);
    link.setAttribute('aria-current', 'true');
    link.closest('.task')?.classList.add('here');
  };
  const later = () => { if (!waiting) { waiting = true; requestAnimationFrame(spy); } };
  if (all('.task', nav).length > 1) root.classList.add('spied');
  window.addEventListener('scroll', later, { passive: true });
  window.addEventListener('resize', later, { passive: true });
  later(); // after the first layout, which it would otherwise ask for twice
  nav.addEventListener('click', event => {
    const id = event.target.closest('a')?.getAttribute('href').slice(1);
    if (!id) return;
    document.getElementById(id)?.focus({ preventScroll: true });
    if (nav.classList.contains('open')) menu.click();
  });
  const only = nav.querySelector('.only select');
  const showOnly = () => {
    for (const head of all('main section.task > h3')) {
      head.parentElement.hidden = only.value !== '' && head.id !== only.value;
    }
    for (const entry of all('.task', nav)) {
      entry.hidden = only.value !== '' && entry.dataset.task !== only.value;
    }
    spy();
  };
  only?.addEventListener('change', () => {
    showOnly();
    chosenBy();
    if (only.value) document.getElementById(only.value).scrollIntoView();
  });
  if (only) {
    choice('only', () => only.value, value => {
      only.value = [...only.options].some(option => option.value === value) ? value : '';
      showOnly();
    });
  }
}

// copying: the clipboard's interface is missing in files opened by some browsers
async function copy(text, button) {
  let done = false;
  try {
    await navigator.clipboard.writeText(text);
    done = true;
  } catch {
    const area = document.createElement('textarea');
    area.value = text;
    document.body.append(area);
    area.select();
    done = document.execCommand('copy');
    area.remove();
    button.focus();
  }
  const before = button.textContent;
  button.textContent = done ? 'Copied' : 'Press Ctrl+C';
  say(button.textContent);
  setTimeout(() => { button.textContent = before; }, 1600);
}
for (const button of all('.copy')) {
  button.addEventListener('click', () => copy(button.parentElement.querySelector('code').textContent, button));
}
