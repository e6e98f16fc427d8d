// From a figure's numbers (figure.py, payload.py) to plotly's traces and layout.

const DATA = JSON.parse(document.getElementById('numbers').textContent);
const numbers = index => (index === undefined ? undefined : DATA.arrays[index]);

// One-letter keys: s name and control, k look, x, y, e half-widths of the intervals, n seeds,
// m further numbers, w when it is shown.
const unpackedMark = mark => {
  const [name, control] = DATA.names[mark.s];
  return { name, control, look: DATA.looks[mark.k], x: numbers(mark.x), y: numbers(mark.y), reach: numbers(mark.e),
    n: numbers(mark.n), more: numbers(mark.m), when: mark.w };
};
const unpackedHeat = heat => {
  const at = numbers(heat.x);
  const lower = numbers(heat.z);
  const z = at.map((_, i) => at.map((__, j) => lower[Math.max(i, j) * (Math.max(i, j) + 1) / 2 + Math.min(i, j)]));
  return { at, z, when: heat.w };
};
const unpacked = figure => ({
  ...figure, x: DATA.axes[figure.x], scales: figure.y.map(index => DATA.axes[index]), z: DATA.axes[figure.z],
  more: DATA.axes[figure.more], marks: (figure.marks ?? []).map(unpackedMark), heats: (figure.heats ?? []).map(unpackedHeat),
});

// A mark's values on an axis: as they are, or what is missing to 100%.
function onAxis(mark, axis) {
  const change = value => (value === null ? null : axis.complement ? 100 - value : value);
  const y = mark.y.map(change).map(value => (axis.scale === 'log' && value <= 0 ? null : value));
  if (mark.reach === undefined) return { ...mark, y };
  const end = sign => y.map((value, i) => (value === null || mark.reach[i] === null ? null : value + sign * mark.reach[i]));
  return { ...mark, y, low: end(-1), high: end(1) };
}

const trimmed = value => String(Number(value.toPrecision(4)));
const thousands = value => value.toLocaleString('en', { maximumFractionDigits: value < 10 ? 1 : 0 });
const minus = text => text.replace('-', '−');
const FORMATS = {
  percent: value => `${value.toFixed(2)}%`,
  points: value => minus(`${value >= 0 ? '+' : ''}${value.toFixed(2)} points`),
  steps: thousands,
  ratio: value => `${trimmed(value)}×`,
  value: trimmed,
};
const shown = (axis, value) => (value === null || value === undefined ? '–' : FORMATS[axis.format](value));
const placed = (axis, value) => (axis.scale === 'names' ? axis.names[value] : shown(axis, value));

// plotly reads a little HTML in its texts, and a name may look like some
const ESCAPES = { '&': '&amp;', '<': '&lt;', '>': '&gt;' };
const escaped = text => text.replace(/[&<>]/g, character => ESCAPES[character]);

function styleOf(mark, theme) {
  const own = mark.look === 'front' ? undefined : DATA.series[mark.name];
  if (!own) return { colour: theme.quiet, symbol: 'circle', dash: 'solid', hollow: false };
  return { ...own, colour: own[theme.dark ? 'dark' : 'light'] };
}

const faded = (hex, alpha) => {
  const [r, g, b] = [1, 3, 5].map(at => parseInt(hex.slice(at, at + 2), 16));
  return `rgba(${r},${g},${b},${alpha})`;
};

function hover(figure, axis, mark, index) {
  const lines = [`<b>${escaped(mark.name)}</b>`, `${escaped(axis.title)}: <b>${shown(axis, mark.y[index])}</b>`];
  if (mark.high && mark.high[index] !== null) {
    lines.push(`95% interval ${shown(axis, mark.low[index])} to ${shown(axis, mark.high[index])}`);
  }
  lines.push(`${escaped(figure.x.title)}: ${escaped(placed(figure.x, mark.x[index]))}`);
  if (mark.more) lines.push(`${escaped(figure.more.title)}: ${shown(figure.more, mark.more[index])}`);
  if (mark.n) lines.push(mark.n[index] === 1 ? '1 seed' : `${mark.n[index]} seeds`);
  return lines.join('<br>');
}

const band = (mark, colour) => {
  const { x, low, high } = mark;
  const kept = x.map((_, i) => i).filter(i => low[i] !== null && high[i] !== null);
  return {
    x: [...kept.map(i => x[i]), ...kept.map(i => x[i]).reverse()],
    y: [...kept.map(i => high[i]), ...kept.map(i => low[i]).reverse()],
    type: 'scatter', mode: 'lines', line: { width: 0 }, fill: 'toself', hoverinfo: 'skip',
    fillcolor: faded(colour, 0.13),
  };
};

// One mark as traces. `shift` multiplies x (on a log axis) or is added to it.
function tracesOf(figure, axis, mark, theme, shift) {
  const style = styleOf(mark, theme);
  const { x, y } = mark;
  const found = [];
  const trace = {
    type: 'scatter', x: shift ? x.map(shift) : x, y, name: mark.name,
    line: { color: style.colour, width: style.hollow ? 1.4 : 1.9, dash: style.dash },
    marker: { color: style.hollow ? theme.page : style.colour, symbol: style.symbol, size: 7.5,
      line: { color: style.colour, width: style.hollow ? 1.5 : 0 } },
    hovertext: y.map((_, index) => hover(figure, axis, mark, index)), hoverinfo: 'text',
    hoverlabel: { bordercolor: style.colour },
  };
  const bars = !mark.high ? undefined : {
    type: 'data', symmetric: false, color: style.colour, thickness: 1, width: 2.5,
    array: mark.high.map((high, i) => (high === null ? 0 : high - y[i])),
    arrayminus: mark.low.map((low, i) => (low === null ? 0 : y[i] - low)),
  };
  if (mark.look === 'line') found.push({ ...trace, mode: 'lines+markers', error_y: bars });
  if (mark.look === 'points') found.push({ ...trace, mode: 'markers', error_y: bars });
  if (mark.look === 'curve' || mark.look === 'level') {
    if (bars && mark.banded) found.push(band(mark, style.colour));
    found.push({ ...trace, mode: 'lines' });
  }
  if (mark.look === 'stairs') {
    Object.assign(trace.line, { shape: 'hvh', dash: 'solid', width: 1.6 });
    found.push({ ...trace, mode: 'lines', fill: 'tozeroy', fillcolor: faded(style.colour, 0.1) });
  }
  if (mark.look === 'front') {
    trace.line = { color: theme.quiet, width: 7, shape: 'hv' };
    found.push({ ...trace, mode: 'lines', opacity: 0.25, hoverinfo: 'skip' });
  }
  return found;
}

function heatTrace(figure, axis, heat, theme) {
  const { at, z } = heat;
  return {
    type: 'heatmap', z, colorscale: 'Cividis', zmin: 0, hoverinfo: 'text',
    hovertext: z.map((row, j) => row.map((value, i) => [
      `${escaped(figure.z.title)}: <b>${shown(figure.z, value)}</b>`,
      `${escaped(figure.x.title)}s ${shown(figure.x, at[i])} and ${shown(axis, at[j])}`,
    ].join('<br>'))),
    colorbar: { thickness: 10, outlinewidth: 0, len: 1, title: { text: titled(figure.z), side: 'right' },
      tickfont: { color: theme.quiet } },
  };
}

// As many of these places on an axis as `gap` pixels between labels allow, the ends first.
function spaced(places, pixels, gap) {
  const kept = [];
  const first = [places[0], places.at(-1), ...places.slice(1, -1)];
  for (const place of first) {
    if (kept.every(other => Math.abs(pixels(place) - pixels(other)) >= gap)) kept.push(place);
  }
  return kept.sort((a, b) => a - b);
}

function extent(values) {
  const known = values.filter(value => value !== null && Number.isFinite(value));
  return known.length ? [Math.min(...known), Math.max(...known)] : [0, 1];
}

// What of a mark must lie within an axis. A curve's band is drawn where there are few of them.
const FEW = 5;
function endsOf(mark, key) {
  if (key === 'x') return ['x'];
  return ['y', 'low', 'high'].filter(end => mark[end] && (end === 'y' || mark.look !== 'curve' || mark.banded));
}

function axisLayout(axis, marks, key, theme, pixels) {
  const found = {
    color: theme.quiet, gridcolor: theme.grid, linecolor: theme.rule, zeroline: false, showline: key === 'x',
    ticks: key === 'x' ? 'outside' : '', ticklen: 4, tickcolor: theme.rule, automargin: true, fixedrange: false,
  };
  const values = marks.flatMap(mark => endsOf(mark, key).flatMap(end => mark[end]));
  if (axis.scale === 'names') {
    const every = Math.max(1, Math.ceil(axis.names.length * 17 / pixels));
    const at = axis.names.map((_, index) => index).filter(index => index % every === 0);
    const short = name => (name.length > 22 ? `…${name.slice(-21)}` : name);
    return { ...found, tickvals: at, ticktext: at.map(index => escaped(short(axis.names[index]))),
      range: [-0.5, axis.names.length - 0.5], showgrid: false,
      tickangle: axis.names.length * 60 > pixels ? -55 : 0 };
  }
  if (axis.scale === 'log') {
    // an interval that nears 0 would take all the space on this scale
    const [least] = extent(marks.flatMap(mark => mark[key]).filter(value => value > 0));
    const positive = values.filter(value => value > 0).map(value => Math.max(value, least / 3));
    let [low, high] = extent(positive.length ? positive : [0.1, 1]).map(Math.log10);
    const pad = Math.max((high - low) * 0.06, 0.04);
    [low, high] = [low - pad, high + pad];
    const scale = pixels / (high - low);
    const round = [];
    for (let power = Math.floor(low); power <= Math.ceil(high); power += 1) {
      for (const digit of [1, 2, 5]) round.push(digit * 10 ** power);
    }
    const places = (axis.ticks ?? round).filter(v => v > 0 && Math.log10(v) >= low && Math.log10(v) <= high).sort((a, b) => a - b);
    const gap = key === 'x' ? 38 : 26;
    const kept = places.length ? spaced(places, value => Math.log10(value) * scale, gap) : [];
    return { ...found, type: 'log', range: axis.reverse ? [high, low] : [low, high], tickvals: kept,
      ticktext: kept.map(value => String(Number(value.toPrecision(3)))) };
  }
  if (!marks.length) return found;
  let [low, high] = extent(axis.zero ? [...values, 0] : values);
  const pad = (high - low) * (key === 'x' ? 0.02 : 0.06) || Math.abs(high) * 0.05 || 1;
  low = axis.zero && low === 0 ? 0 : low - pad;
  high += pad;
  if (axis.low !== undefined) low = Math.max(low, axis.low);
  if (axis.high !== undefined) high = Math.min(high, axis.high + (axis.high - low) * 0.02); // whole markers
  found.range = axis.reverse ? [high, low] : [low, high];
  if (axis.format === 'steps') found.tickformat = pixels < 400 && high >= 10000 ? '~s' : ',~g';
  found.nticks = Math.max(3, Math.round(pixels / (key === 'x' ? 80 : 55)));
  return found;
}

const UNITS = { percent: ', %', points: ', points', ratio: ', ×', steps: '', value: '' };
const titled = axis => escaped(`${axis.title}${UNITS[axis.format]}`);

// What plotly draws of a figure: the marks chosen and switched on, `width` pixels wide.
function drawing(figure, axis, chosen, heats, theme, width) {
  const few = chosen.filter(mark => mark.look === 'curve').length <= FEW;
  const marks = chosen.map(mark => ({ ...onAxis(mark, axis), banded: mark.look === 'level' || few }));
  const height = width < 480 && !heats.length ? Math.min(figure.height, 320) : figure.height;
  const dodged = marks.filter(mark => mark.look === 'line');
  let shifts = () => null;
  if (figure.dodge && dodged.length > 1) {
    const [low, high] = extent(dodged.flatMap(mark => mark.x)).map(Math.log10);
    const places = [...new Set(dodged.flatMap(mark => mark.x))].map(Math.log10).sort((a, b) => a - b);
    const gaps = places.slice(1).map((place, i) => place - places[i]);
    const room = Math.min(...gaps, high - low || 1) * 0.6;
    const step = Math.min(5 / (width - 80) * (high - low || 1), room / dodged.length);
    const middle = (dodged.length - 1) / 2;
    // a reversed axis runs the other way, and the legend's order is kept from left to right
    const sign = figure.x.reverse ? -1 : 1;
    shifts = mark => {
      const factor = 10 ** (sign * step * (dodged.indexOf(mark) - middle));
      return value => value * factor;
    };
  }
  const traces = [];
  const owners = [];
  const order = { front: 0, level: 1 };
  for (const mark of [...marks].sort((a, b) => (order[a.look] ?? 2) - (order[b.look] ?? 2))) {
    for (const trace of tracesOf(figure, axis, mark, theme, mark.look === 'line' ? shifts(mark) : null)) {
      trace.uid = `t${traces.length}`;
      traces.push(trace);
      owners.push(mark.name);
    }
  }
  for (const heat of heats) traces.push(heatTrace(figure, axis, heat, theme));
  const layout = {
    width, height, autosize: false, showlegend: false, hovermode: 'closest', hoverdistance: 18,
    paper_bgcolor: 'rgba(0,0,0,0)', plot_bgcolor: 'rgba(0,0,0,0)', colorway: [theme.text],
    font: { family: theme.font, size: 12, color: theme.quiet },
    margin: { l: 40, r: 10, t: 26, b: 44 }, dragmode: theme.mouse ? 'zoom' : false,
    hoverlabel: { bgcolor: theme.page, font: { family: theme.font, size: 12.5, color: theme.text }, align: 'left' },
    xaxis: { ...axisLayout(figure.x, marks, 'x', theme, width - 60), title: { text: titled(figure.x), standoff: 8, font: { size: 12 } } },
    yaxis: axisLayout(axis, marks, 'y', theme, height - 70),
    annotations: [{ text: titled(axis), showarrow: false, xref: 'paper', yref: 'paper', x: 0, y: 1,
      xanchor: 'left', yanchor: 'bottom', yshift: 7, xshift: -2, font: { size: 12, color: theme.quiet } }],
  };
  for (const { at } of heats) { // cells of one size, whatever lies between two of them
    const every = Math.ceil(at.length * 34 / (width - 100));
    const tickvals = at.map((_, index) => index).filter(index => index % every === 0);
    const cells = { tickvals, ticktext: tickvals.map(index => shown(figure.x, at[index])), showgrid: false, showline: false, ticks: '' };
    Object.assign(layout.xaxis, cells, { constrain: 'domain' });
    Object.assign(layout.yaxis, cells, { constrain: 'domain', scaleanchor: 'x' });
  }
  return { traces, layout, owners };
}
