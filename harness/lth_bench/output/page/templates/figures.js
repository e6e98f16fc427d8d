// Groups of figures: drawn when they come into view, with a legend of buttons, choices, and their
// numbers as a table. The legend is HTML, since plotly's own cannot be reached with the keyboard.

const CONFIG = { displayModeBar: false, responsive: false, scrollZoom: false, doubleClick: 'reset', showTips: false };
const PAPER = { dark: false, page: '#ffffff', text: '#000000', quiet: '#444444', grid: '#e2e2e2', rule: '#bbbbbb', mouse: false };
const PRINTED = { ...PAPER, lowest: 230 }; // lower figures than on the screen, so that pages fill
const PAPER_WIDTH = 690; // pixels between the margins of A4
const MOST_ROWS = 4000;
const HEAT_WIDTH = 470;
const CROWD = 10; // lines beyond which the controls are shown only when asked for

function theme() {
  const style = getComputedStyle(root);
  const value = name => style.getPropertyValue(`--${name}`).trim();
  return {
    dark: isDark(), page: value('page'), text: value('text'), quiet: value('quiet'), grid: value('grid'),
    rule: value('rule'), font: value('sans'), mouse: window.matchMedia('(pointer: fine)').matches,
  };
}

// The marker of a style as the points of an SVG path around 0, 0.
const MARKERS = {
  circle: 'M4,0A4,4 0 1,1 0,-4A4,4 0 0,1 4,0Z',
  square: 'M-3.6,-3.6H3.6V3.6H-3.6Z',
  diamond: 'M0,-5L5,0L0,5L-5,0Z',
  'triangle-up': 'M0,-4.8L4.6,3.4H-4.6Z',
  'triangle-down': 'M0,4.8L4.6,-3.4H-4.6Z',
  'triangle-left': 'M-4.8,0L3.4,4.6V-4.6Z',
  'triangle-right': 'M4.8,0L-3.4,4.6V-4.6Z',
  pentagon: 'M0,-4.8L4.6,-1.5L2.8,3.9H-2.8L-4.6,-1.5Z',
  hexagon: 'M-4.2,-2.4L0,-4.8L4.2,-2.4V2.4L0,4.8L-4.2,2.4Z',
  star: 'M0,-5.4L1.4,-1.7L5.1,-1.7L2.2,.7L3.2,4.4L0,2.2L-3.2,4.4L-2.2,.7L-5.1,-1.7L-1.4,-1.7Z',
  cross: 'M-1.6,-4.8H1.6V-1.6H4.8V1.6H1.6V4.8H-1.6V1.6H-4.8V-1.6H-1.6Z',
  x: 'M-4.5,-2.3L-2.3,-4.5L0,-2.2L2.3,-4.5L4.5,-2.3L2.2,0L4.5,2.3L2.3,4.5L0,2.2L-2.3,4.5L-4.5,2.3L-2.2,0Z',
};
const DASHES = { solid: '', dot: '2 2.5', dash: '6 3', longdash: '10 4', dashdot: '6 2.5 2 2.5', longdashdot: '10 3 2 3' };

function swatch(mark, colours) {
  const svg = (tag, attributes) => {
    const element = document.createElementNS('http://www.w3.org/2000/svg', tag);
    for (const [key, value] of Object.entries(attributes)) element.setAttribute(key, value);
    return element;
  };
  const style = styleOf(mark, colours);
  const front = mark.look === 'front';
  const found = svg('svg', { viewBox: '-15 -7 30 14', 'aria-hidden': 'true' });
  if (['stairs', 'bars', 'band', undefined].includes(mark.look)) {
    found.append(svg('rect', { x: -8, y: -5, width: 16, height: 10, fill: style.colour, 'fill-opacity': ['bars', undefined].includes(mark.look) ? 1 : DATA.series[mark.name] ? 0.2 : 0.45,
      stroke: mark.look === 'stairs' && DATA.series[mark.name] ? style.colour : 'none', 'stroke-width': 1.6 }));
  } else if (mark.look !== 'points') {
    found.append(svg('line', { x1: -15, x2: 15, y1: 0, y2: 0, stroke: style.colour, 'stroke-width': front ? 6 : 2,
      'stroke-dasharray': DASHES[style.dash] ?? style.dash.replaceAll(/px,?/g, ' '), 'stroke-opacity': front ? 0.3 : 1 }));
  }
  if (mark.look === 'line' || mark.look === 'points') {
    found.append(svg('path', { d: MARKERS[style.symbol] ?? MARKERS.circle, stroke: style.colour,
      'stroke-width': style.hollow ? 1.5 : 0, fill: style.hollow ? colours.page : style.colour }));
  }
  return found;
}

// Nothing is unpacked or drawn before it comes near the screen: a page may have hundreds of figures.
class Figures {
  constructor(element) {
    this.element = element;
    this.data = DATA.pictures[element.dataset.group];
    this.choice = this.data.choices.map(choice => choice.start);
    this.places = all('figure', element).map((figure, index) => {
      const packed = this.data.panels[index];
      let data = null;
      return { figure, plot: figure.querySelector('.plot'), when: packed.when, near: false, stale: true, drawn: false,
        owners: [], get data() { data ??= unpacked(packed); return data; } };
    });
    for (const { figure, plot } of this.places) plot.style.minHeight = `${figure.dataset.height}px`;
    all('.choices select', element).forEach((select, index) => {
      select.addEventListener('change', () => {
        this.choice[index] = Number(select.value);
        this.chosen();
        chosenBy();
      });
    });
    this.details = element.querySelector('details.numbers');
    this.details.addEventListener('toggle', () => this.table());
    this.off = offOf(element);
    const names = new Map(this.data.panels.flatMap(({ traces = [] }) => traces.map(trace => DATA.names[trace.s])));
    if (names.size > CROWD) for (const control of names.values()) if (control !== 'none') this.off.controls.add(control);
    this.chosen();
  }

  fits(when) { return (when ?? []).every((value, index) => value === -1 || value === this.choice[index]); }

  chosen() {
    const near = this.places.some(place => place.near);
    for (const place of this.places) {
      place.figure.hidden = !this.fits(place.when);
      place.near = near && !place.figure.hidden;
    }
    this.touch();
  }

  // Something has changed: what is on the screen follows now, the rest when it comes near.
  touch() {
    this.staleLegend = true;
    for (const place of this.places) place.stale = true;
    this.follow();
  }

  follow() {
    const near = this.places.filter(place => place.near);
    if (!near.length) return;
    if (this.staleLegend) this.legend();
    for (const place of near) if (place.stale) this.draw(place);
    if (this.details.open) this.table();
  }

  shown() { return this.places.filter(place => this.fits(place.when)); }

  axis(figure) { return figure.scales.length > 1 ? figure.scales[this.choice.at(-1)] : figure.scales[0]; }

  marks(panel) {
    const own = mark => this.fits(mark.when) && this.isOn(mark);
    return { traces: panel.traces.filter(own), heats: panel.heats.filter(own), polygons: panel.polygons.filter(own), rasters: panel.rasters.filter(own), notes: panel.notes.filter(note => this.fits(note.when)) };
  }

  isOn(mark) { return !this.off.has(mark.name) && !this.off.has(mark.like) && !this.off.controls.has(mark.control); }

  draw(place, colours = theme(), width = place.figure.clientWidth) {
    if (!window.Plotly || place.figure.hidden || width === 0) return;
    if (place.data.heats.length && !place.data.heats[0].texts) width = Math.min(width, HEAT_WIDTH);
    const { traces, layout, owners } = drawing(place.data, this.axis(place.data), this.marks(place.data), { font: theme().font, ...colours }, width);
    place.plot.style.minHeight = `${layout.height}px`;
    Plotly[place.drawn ? 'react' : 'newPlot'](place.plot, traces, layout, CONFIG);
    place.drawn = true;
    place.stale = false;
    place.width = place.figure.clientWidth;
    place.owners = owners;
  }

  // One button a line: pressed is shown; pointing at it fades the others.
  legend(colours = theme()) {
    this.staleLegend = false;
    const bar = this.element.querySelector('.legend');
    const focused = bar.contains(document.activeElement) ? document.activeElement.dataset.name : null;
    const found = new Map();
    for (const { data } of this.shown()) {
      for (const mark of [...data.traces, ...data.polygons]) if (this.fits(mark.when) && !found.has(mark.name)) found.set(mark.name, mark);
    }
    const button = (name, pressed, act) => {
      const made = document.createElement('button');
      made.type = 'button';
      made.dataset.name = name;
      made.setAttribute('aria-pressed', String(pressed));
      made.addEventListener('click', act);
      return made;
    };
    const buttons = [];
    const controls = [...new Set([...found.values()].map(mark => mark.control))].filter(control => control !== 'none');
    for (const [name, mark] of found) {
      if (this.off.controls.has(mark.control)) continue;
      const made = button(name, !this.off.has(name), () => this.off.flip(this.off, name));
      const text = document.createElement('bdi');
      text.textContent = name;
      made.append(swatch({ ...mark, like: undefined }, colours), text);
      for (const event of ['pointerenter', 'focus']) made.addEventListener(event, () => this.highlight(name));
      for (const event of ['pointerleave', 'blur']) made.addEventListener(event, () => this.highlight(null));
      buttons.push(made);
    }
    for (const control of controls) {
      const made = button(`*/${control}`, !this.off.controls.has(control), () => this.off.flip(this.off.controls, control));
      made.append('with ', Object.assign(document.createElement('bdi'), { textContent: control }));
      made.classList.add('whole');
      buttons.push(made);
    }
    bar.replaceChildren(...buttons);
    bar.hidden = buttons.length === 0;
    roving(bar);
    if (focused !== null) buttons.find(made => made.dataset.name === focused)?.focus();
  }

  highlight(name) {
    for (const place of this.places) {
      place.owners.forEach((owner, index) => {
        for (const layer of place.plot.querySelectorAll(`.tracet${index}`)) {
          layer.style.opacity = name === null || owner.includes(name) ? '' : '0.12';
        }
      });
    }
  }

  // The numbers as shown: the columns' heads, all rows, and which columns have anything in them.
  numbers() {
    const rows = [];
    for (const { data } of this.shown()) {
      const axis = this.axis(data);
      for (const mark of this.marks(data).traces.filter(each => each.look !== 'front').map(each => onAxis(each, axis))) {
        mark.y.forEach((y, i) => rows.push([
          data.title, mark.like ? `${mark.like}, ${mark.name}` : mark.name, placed(data.x, mark.x[i]), shown(axis, y), mark.low ? shown(axis, mark.low[i]) : '',
          mark.high ? shown(axis, mark.high[i]) : '', mark.n ? String(mark.n[i]) : '', mark.more ? shown(data.more, mark.more[i]) : '', '',
          mark.wideHigh && mark.wideHigh[i] !== null ? `${shown(axis, mark.wideLow[i])} to ${shown(axis, mark.wideHigh[i])}` : '']));
      }
      for (const heat of this.marks(data).heats) rows.push(...heatRows(data, axis, heat));
    }
    const first = this.shown()[0].data;
    const axis = this.axis(first);
    const heads = ['figure', 'line', first.x.title, (first.z ?? axis).title, 'low', 'high', 'seeds', first.more?.title ?? '', first.heats.length ? axis.title : '', first.wider ?? ''];
    const used = heads.map((_, index) => index).filter(index => rows.some(row => row[index] !== '') && (index > 0 || new Set(rows.map(cells => cells[0])).size > 1));
    return { heads, rows, used };
  }

  table() {
    if (!this.details.open) return;
    const { heads, rows, used } = this.numbers();
    const table = document.createElement('table');
    const caption = table.createCaption();
    caption.textContent = rows.length > MOST_ROWS ? `The first ${MOST_ROWS} of ${rows.length} rows; copying takes all` : `${this.data.title}: as shown`;
    const head = table.createTHead().insertRow();
    for (const index of used) {
      const cell = document.createElement('th');
      cell.scope = 'col';
      cell.textContent = heads[index];
      if (index < 2) cell.className = 'text';
      head.append(cell);
    }
    const body = table.createTBody();
    for (const row of rows.slice(0, MOST_ROWS)) {
      const line = body.insertRow();
      for (const index of used) {
        const cell = line.insertCell();
        cell.textContent = row[index];
        if (index < 2) cell.className = 'text';
      }
    }
    const scroll = document.createElement('div');
    scroll.className = 'scroll';
    scroll.tabIndex = 0;
    scroll.setAttribute('role', 'group');
    scroll.setAttribute('aria-label', caption.textContent);
    scroll.append(table);
    const button = document.createElement('button');
    button.type = 'button';
    button.textContent = 'Copy for a spreadsheet';
    const text = [heads, ...rows].map(row => used.map(index => row[index]).join('\t')).join('\n');
    button.addEventListener('click', () => copy(text, button));
    this.details.querySelector('div').replaceChildren(scroll, button);
  }
}

// The cells of a matrix as rows of the table of numbers.
function heatRows(data, axis, { x, y, z, reach, more, n }) {
  return z.flatMap((row, j) => row.flatMap((value, i) => {
    if (value === null && (more?.[j][i] ?? null) === null) return [];
    const half = value === null ? null : reach?.[j][i] ?? null;
    const end = sign => (half === null ? '' : shown(data.z, value + sign * half));
    return [[data.title, '', placed(data.x, x[i]), shown(data.z, value), end(-1), end(1), n ? String(n[j][i]) : '',
      more ? shown(data.more, more[j][i]) : '', placed(axis, y[j]), '']];
  }));
}

// Which lines and which controls are off is one set for a whole task, so that its figures agree.
const switchedOff = new Map();
function offOf(element) {
  const place = element.closest('section.task') ?? element.closest('section');
  if (!switchedOff.has(place)) {
    const off = new Set();
    off.controls = new Set();
    off.flip = (set, name) => {
      if (!set.delete(name)) set.add(name);
      for (const group of groups) if (group.off === off) group.touch();
      chosenBy();
    };
    switchedOff.set(place, off);
  }
  return switchedOff.get(place);
}

const groups = [];
let printing = false;
for (const element of all('.group')) groups.push(new Figures(element));

// The lines and controls that are off, in the link.
for (const [place, off] of switchedOff) {
  const names = () => [...[...off].map(name => `.${name}`), ...[...off.controls].map(control => `*${control}`)];
  choice(`${place.getAttribute('aria-labelledby').split(' ').at(-1)}.off`, () => names().map(encodeURIComponent).sort().join(','), text => {
    const given = text.split(',').filter(Boolean).map(decodeURIComponent);
    off.clear();
    off.controls.clear();
    for (const name of given) (name[0] === '*' ? off.controls : off).add(name.slice(1));
    for (const group of groups) if (group.off === off) group.touch();
  });
}

// What is chosen for a group of figures, as its scale, in the link too.
for (const group of groups.filter(({ choice: values }) => values.length)) {
  choice(keyOf(group.element, '.group', 'figure'), () => group.choice.join('.'), text => {
    const selects = all('.choices select', group.element);
    text.split('.').slice(0, selects.length).forEach((value, index) => {
      if (!selects[index].options[value]) return; // of another report
      selects[index].value = value;
      group.choice[index] = Number(value);
    });
    group.chosen();
  });
}

const placeOf = new Map(groups.flatMap(group => group.places.map(place => [place.figure, [group, place]])));
const watch = new IntersectionObserver(entries => {
  for (const entry of entries) {
    const [group, place] = placeOf.get(entry.target);
    place.near = entry.isIntersecting;
    if (place.near && !printing) group.follow();
  }
}, { rootMargin: '600px 0px' });
const resized = new ResizeObserver(entries => {
  for (const entry of entries) {
    const [group, place] = placeOf.get(entry.target);
    if (!place.drawn || printing || Math.abs(place.width - entry.target.clientWidth) <= 1) continue;
    place.stale = true;
    requestAnimationFrame(() => group.follow());
  }
});
for (const figure of placeOf.keys()) {
  watch.observe(figure);
  resized.observe(figure);
}

function recolour() {
  for (const group of groups) group.touch();
  touchPlots();
}

// Paper: every figure, in the colours and the width of paper, and afterwards as before.
function ontoPaper() {
  if (printing) return;
  printing = true;
  drawOnPaper();
}
function drawOnPaper() {
  for (const group of groups.filter(({ element }) => element.offsetParent !== null)) {
    const columns = Number(group.element.dataset.columns);
    const width = columns === 1 ? PAPER_WIDTH : PAPER_WIDTH / columns - 16;
    for (const place of group.places) group.draw(place, PRINTED, width);
    group.legend(PRINTED);
  }
  plotsOntoPaper();
}
function backOnScreen() {
  if (!printing || onPaper.matches) return;
  printing = false;
  recolour();
}
const onPaper = window.matchMedia('print');
window.addEventListener('beforeprint', ontoPaper);
window.addEventListener('afterprint', backOnScreen);
onPaper.addEventListener('change', () => (onPaper.matches ? ontoPaper() : backOnScreen()));
