// Views of which a reader sees one at a time: a table at a density.

for (const group of all('.views')) {
  const views = all('.view', group);
  const chooser = group.querySelector('.chooser');
  const buttons = all('button', chooser);
  const heading = document.getElementById(group.closest('section').getAttribute('aria-labelledby').split(' ').at(-1));
  let current = views[0].dataset.choice;
  const show = value => {
    const at = Math.max(0, views.findIndex(view => view.dataset.choice === value)); // of another report
    current = views[at].dataset.choice;
    views.forEach((view, index) => { view.hidden = index !== at; });
    buttons.forEach((button, index) => button.setAttribute('aria-pressed', String(index === at)));
    heading.textContent = views[at].dataset.heading;
    const entry = nav?.querySelector(`a[href="#${heading.id}"]`);
    if (entry) entry.textContent = heading.textContent;
  };
  buttons.forEach((button, index) => button.addEventListener('click', () => {
    show(views[index].dataset.choice);
    chosenBy();
    say(heading.textContent);
  }));
  chooser.hidden = false;
  roving(chooser);
  show(current);
  choice(heading.id, () => current, show);
}

restore();
