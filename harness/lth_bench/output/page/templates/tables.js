// Tables that sort and filter. The headers become buttons, so that Enter and Space work too.

const SUFFIX = { k: 1e3, M: 1e6 };
function numberOf(text) {
  // 97.80 ± 0.50, −0.07, 10.0k, 1 (1–4); a text such as "2 failed" is none
  const found = /^([+−-]?)([\d,]*\.?\d+)([kM])?(?=$|=$| ±| ?[%×(/])/.exec(text.trim());
  if (!found) return NaN;
  const size = Number(found[2].replaceAll(',', '')) * (SUFFIX[found[3]] ?? 1);
  return found[1] === '−' || found[1] === '-' ? -size : size;
}
const inOrder = new Intl.Collator('en', { numeric: true });

function sortable(table) {
  const body = table.tBodies[0];
  const rows = [...body.rows];
  const heads = [...table.tHead.rows[0].cells];
  const sort = (index, next) => {
    for (const other of heads) other.removeAttribute('aria-sort');
    table.classList.toggle('sorted', next !== null);
    body.append(...rows);
    if (next === null) return;
    heads[index].setAttribute('aria-sort', next);
    const numeric = !heads[index].classList.contains('text');
    const sign = next === 'ascending' ? 1 : -1;
    const keyed = rows.map(row => {
      const text = row.cells[index].textContent;
      return [numeric ? numberOf(text) : text.trim(), row];
    });
    const none = key => key === '' || Number.isNaN(key);
    keyed.sort(([a], [b]) => {
      if (none(a) || none(b)) return none(a) - none(b); // what has no value stays last
      return sign * (numeric ? a - b : inOrder.compare(a, b));
    });
    body.append(...keyed.map(([, row]) => row));
  };
  heads.forEach((head, index) => {
    const button = document.createElement('button');
    button.type = 'button';
    button.append(...head.childNodes);
    head.append(button);
    const numeric = !head.classList.contains('text');
    button.addEventListener('click', () => {
      const before = head.getAttribute('aria-sort');
      const first = numeric && !('ascending' in head.dataset) ? 'descending' : 'ascending';
      const second = first === 'ascending' ? 'descending' : 'ascending';
      const next = before === null ? first : before === first ? second : null;
      sort(index, next);
      chosenBy();
      say(`${table.caption.textContent}: ${next === null ? 'in its first order' : `sorted by ${button.textContent}, ${next}`}`);
    });
  });
  const get = () => {
    const index = heads.findIndex(head => head.hasAttribute('aria-sort'));
    return index < 0 ? '' : `${index}${heads[index].getAttribute('aria-sort') === 'ascending' ? 'up' : 'down'}`;
  };
  const set = text => {
    const [, index, way] = /^(\d+)(up|down)$/.exec(text) ?? [];
    if (index === undefined || Number(index) >= heads.length) sort(0, null);
    else sort(Number(index), way === 'up' ? 'ascending' : 'descending');
  };
  choice(keyOf(table, 'table.sorts', 'sort'), get, set);
}

// Where the link keeps the choice of an element: the section, and its number among those of its kind.
function keyOf(element, selector, kind) {
  const section = element.closest('section');
  return `${section.getAttribute('aria-labelledby').split(' ').at(-1)}.${kind}${all(selector, section).indexOf(element)}`;
}

function filterable(grid) {
  const rows = [...grid.querySelector('tbody').rows];
  const texts = rows.map(row => [...row.cells].map(cell => cell.textContent).join(' ').toLowerCase());
  const facets = rows.map(row => (row.dataset.f ?? '').split(' '));
  const search = grid.querySelector('.filters input');
  const selects = all('.filters select', grid);
  const switches = all('.filters .switches button', grid);
  const output = grid.querySelector('.filters output');
  const apply = () => {
    const words = (search?.value ?? '').toLowerCase().split(/\s+/).filter(Boolean);
    const off = new Set(switches.filter(b => b.getAttribute('aria-pressed') === 'false')
      .map(b => `${b.parentElement.dataset.facet}:${b.dataset.value}`));
    let shown = 0;
    rows.forEach((row, index) => {
      const own = facets[index];
      const passes = words.every(word => texts[index].includes(word))
        && selects.every(s => s.value === '' || own[s.dataset.facet] === '-1' || own[s.dataset.facet] === s.value)
        && !own.some((value, facet) => off.has(`${facet}:${value}`));
      row.hidden = !passes;
      shown += passes;
    });
    output.textContent = shown === rows.length ? `${rows.length} rows` : `${shown} of ${rows.length} rows`;
  };
  search?.addEventListener('input', () => { apply(); chosenBy(true); });
  for (const select of selects) select.addEventListener('change', () => { apply(); chosenBy(); });
  for (const button of switches) {
    button.addEventListener('click', () => {
      button.setAttribute('aria-pressed', String(button.getAttribute('aria-pressed') !== 'true'));
      apply();
      chosenBy();
    });
  }
  apply();
  const get = () => [search?.value ?? '', ...selects.map(s => s.value), ...switches.map(b => b.getAttribute('aria-pressed'))]
    .map(value => value.replaceAll('~', ' ')).join('~');
  const set = text => {
    const [words, ...values] = text.split('~');
    if (search) search.value = words;
    selects.forEach((s, index) => { s.value = [...s.options].some(o => o.value === values[index]) ? values[index] : ''; });
    switches.forEach((b, index) => b.setAttribute('aria-pressed', String(values[selects.length + index] !== 'false')));
    apply();
  };
  choice(keyOf(grid, '.grid', ''), get, set);
}

for (const table of all('table.sorts')) {
  sortable(table);
  roving(table.tHead);
}
for (const row of all('.switches')) roving(row);
for (const filters of all('.filters')) filterable(filters.closest('.grid'));
