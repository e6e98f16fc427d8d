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

// After a choice. `replace`: without a step of its own for the back button, as for every letter typed. To set location.hash
// would scroll to the section that the link names.
function chosenBy(replace = false) {
  const next = fragment();
  if (next === (location.hash || '#')) return;
  history[replace ? 'replaceState' : 'pushState'](null, '', next);
}

function restore() {
  const [place, query = ''] = location.hash.slice(1).split('?');
  const elsewhere = place !== anchor;
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
  if (query && elsewhere) document.getElementById(anchor)?.scrollIntoView();
}

document.addEventListener('click', event => {
  const link = event.target.closest('a[href^="#"]');
  if (link) followed = link.hash !== location.hash;
});
window.addEventListener('hashchange', restore);
