// Few stops for the Tab key: a row of buttons is one, and the arrow keys go from one button to the next. A table is one only where
// it scrolls.

const KEYS = { ArrowRight: 1, ArrowDown: 1, ArrowLeft: -1, ArrowUp: -1, Home: -Infinity, End: Infinity };

// The buttons of a row; it may be filled again, after which this is called again.
function roving(row) {
  const buttons = () => all('button', row);
  const only = chosen => { for (const button of buttons()) button.tabIndex = button === chosen ? 0 : -1; };
  only(buttons().find(button => button === document.activeElement) ?? buttons()[0]);
  if ('roving' in row.dataset) return;
  row.dataset.roving = '';
  row.addEventListener('focusin', event => only(event.target.closest('button')));
  row.addEventListener('keydown', event => {
    const step = KEYS[event.key];
    if (step === undefined || event.altKey || event.ctrlKey || event.metaKey) return;
    const found = buttons();
    const at = found.indexOf(event.target.closest('button'));
    found[Math.min(found.length - 1, Math.max(0, at + step))].focus();
    event.preventDefault();
  });
}

// What is in a box that scrolls must be reached with the keyboard; a box that does not is no stop.
const boxed = new ResizeObserver(entries => {
  for (const { target } of entries) {
    if (target.scrollWidth > target.clientWidth + 1) target.tabIndex = 0;
    else target.removeAttribute('tabindex');
  }
});
for (const box of all('.scroll, pre')) boxed.observe(box);
