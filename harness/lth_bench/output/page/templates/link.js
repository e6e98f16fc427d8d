// What a reader has chosen, in the link: #SECTION?KEY=VALUE&… in the fragment, which no server sees.
// So a view can be shared, and the back button undoes a choice.

const choices = new Map(); // by key: get, set, and the value at first, which no link names
const choice = (key, get, set) => choices.set(key, { get, set, first: get() });
let anchor = '';
let followed = false; // a link within the page: what is chosen stays

function fragment() {
  const chosen = [...choices].map(([key, { get, first }]) => [key, get(), first]).filter(([, value, first]) => value !== first);
  const query = new URLSearchParams(chosen.map(([key, value]) => [key, value])).toString();
  return query ? `#${anchor}?${query}` : `#${anchor}`;
}

// After a choice. `replace`: without a step of its own for the back button, as for every letter typed.
function chosenBy(replace = false) {
  const next = fragment();
  if (next === (location.hash || '#')) return;
  if (replace) location.replace(next);
  else location.hash = next;
}

function restore() {
  const [place, query = ''] = location.hash.slice(1).split('?');
  anchor = place;
  if (followed) {
    followed = false;
    return chosenBy(true);
  }
  const given = new URLSearchParams(query);
  for (const [key, { get, set, first }] of choices) {
    const value = given.get(key) ?? first;
    if (value !== get()) set(value);
  }
  if (query) document.getElementById(anchor)?.scrollIntoView();
}

document.addEventListener('click', event => { if (event.target.closest('a[href^="#"]')) followed = true; });
window.addEventListener('hashchange', restore);
