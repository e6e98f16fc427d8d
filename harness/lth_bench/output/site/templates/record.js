// What the page says of its tickets, to save as JSON: it lies in the page, so nothing is requested.

const record = document.getElementById('record');
const repeat = document.getElementById('repeat');
if (record && repeat) {
  const name = `${location.pathname.split('/').pop().replace(/\.html$/, '')}.json`;
  const bar = saveButtons('tickets', [['JSON', () => save(name, 'application/json', record.textContent)]]);
  bar.classList.add('record');
  repeat.after(bar);
}
// An address that a ticket's row has is that of the row, whatever is chosen on the page.
const named = location.hash.slice(1).split('?')[0];
if (named) document.getElementById(named)?.scrollIntoView({ block: 'center' });
