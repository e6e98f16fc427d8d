// Tables as CSV; figures as CSV, SVG and PNG. They are made here, from what the page has, without a request.

function save(name, kind, content) {
  const url = URL.createObjectURL(new Blob([content], { type: kind }));
  const link = Object.assign(document.createElement('a'), { href: url, download: name });
  link.click();
  setTimeout(() => URL.revokeObjectURL(url), 10_000);
  say(`Saved ${name}`);
}

// A spreadsheet takes what begins with =, @, + or - for a formula, but for numbers, and − for a letter.
const cellOf = text => {
  const plain = text.trim().replace(/^−(?=[\d.])/, '-').replace(/^(?=[=@\t\r]|[+-](?![\d.]))/, "'");
  return /[",\r\n]/.test(plain) ? `"${plain.replaceAll('"', '""')}"` : plain;
};
const csvOf = rows => `${rows.map(row => row.map(cellOf).join(',')).join('\r\n')}\r\n`;

function fileName(element, title, ending) {
  const task = element.closest('section.task')?.querySelector('h3').textContent ?? '';
  const name = title.startsWith(task) ? title : `${task} ${title}`;
  return `${name.replace(/[^A-Za-z0-9.]+/g, '-').replace(/^-|-$/g, '').toLowerCase()}.${ending}`;
}

function saveButtons(title, actions) {
  const bar = document.createElement('div');
  bar.className = 'saves';
  bar.setAttribute('role', 'group');
  bar.setAttribute('aria-label', `Save: ${title}`);
  for (const [text, act] of actions) {
    const button = Object.assign(document.createElement('button'), { type: 'button', textContent: text });
    button.addEventListener('click', act);
    bar.append(button);
  }
  roving(bar);
  return bar;
}

for (const grid of all('.grid')) {
  const table = grid.querySelector('table');
  const title = table.caption.textContent;
  const rows = () => [...table.rows].filter(row => !row.hidden).map(row => [...row.cells].map(cell => cell.textContent));
  grid.append(saveButtons(title, [['CSV', () => save(fileName(grid, title, 'csv'), 'text/csv', csvOf(rows()))]]));
}

for (const table of all('table.facts')) {
  const title = table.caption.textContent;
  const rows = () => [...table.rows].map(row => [...row.cells].map(cell => cell.textContent));
  table.closest('.scroll').after(saveButtons(title, [['CSV', () => save(fileName(table, title, 'csv'), 'text/csv', csvOf(rows()))]]));
}

// On white, with a title and a legend, so that it can be read alone.
function standalone(group, { data, figure }) {
  const axis = group.axis(data);
  const { traces, layout } = drawing(data, axis, group.marks(data), { ...theme(), ...PAPER }, PAPER_WIDTH);
  const named = new Set();
  for (const trace of traces) {
    trace.showlegend = Boolean(trace.name) && trace.mode !== 'text' && !named.has(trace.name);
    named.add(trace.name);
  }
  const title = { text: escaped(figure.querySelector('figcaption').textContent), x: 0.015, xref: 'container', font: { size: 13, color: PAPER.text } };
  const height = layout.height + 70;
  const margin = { ...layout.margin, t: 56, b: layout.margin.b + 40 };
  return { data: traces, layout: { ...layout, title, height, margin, showlegend: named.size > 1, legend: { orientation: 'h', y: -0.2 },
    paper_bgcolor: PAPER.page } };
}

async function saveImages(group, format) {
  await library;
  for (const place of group.shown()) {
    const made = standalone(group, place);
    const { width, height } = made.layout;
    const url = await Plotly.toImage(made, { format, width, height, scale: format === 'png' ? 2 : 1 });
    const body = url.slice(url.indexOf(',') + 1);
    const content = format === 'svg' ? decodeURIComponent(body) : Uint8Array.from(atob(body), letter => letter.charCodeAt(0));
    const kind = format === 'svg' ? 'image/svg+xml' : 'image/png';
    save(fileName(place.figure, place.figure.querySelector('figcaption').textContent, format), kind, content);
  }
}

for (const group of groups) {
  const { title } = group.data;
  const csv = () => {
    const { heads, rows, used } = group.numbers();
    save(fileName(group.element, title, 'csv'), 'text/csv', csvOf([heads, ...rows].map(row => used.map(index => row[index]))));
  };
  group.element.append(saveButtons(title, [['CSV', csv], ['SVG', () => saveImages(group, 'svg')], ['PNG', () => saveImages(group, 'png')]]));
}
