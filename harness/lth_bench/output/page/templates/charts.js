// From a panel's numbers (pictures/model.py, payload.py) to plotly's traces and layout.

const DATA = JSON.parse(document.getElementById('numbers').textContent);
const numbers = index => (index === undefined ? undefined : DATA.arrays[index]);

// One-letter keys of traces: s name and control, i the name whose look it has where that is another, k look, x, y, e half-widths of the intervals,
// f how far they reach down where that differs, g half-widths of the second intervals, n seeds, l seeds lost, m further numbers, d factor of x, o hollow markers, b width of bars, w when it is shown.
const unpackedTrace = trace => {
  const [name, control] = DATA.names[trace.s];
  const like = DATA.names[trace.i]?.[0];
  return { name, control, like, look: DATA.looks[trace.k], x: numbers(trace.x), y: numbers(trace.y), reach: numbers(trace.e), down: numbers(trace.f), wide: numbers(trace.g),
    n: numbers(trace.n), lost: numbers(trace.l), more: numbers(trace.m), shift: trace.d ?? 1,
    hollow: trace.o === 1, width: trace.b, when: trace.w };
};
// Of matrices: x and y labels, z all cells row by row, or h the lower half of a symmetric one; of
// cells t what is written in them, e half-widths, m further numbers, n seeds, l lost, c collapsed.
const unpackedHeat = heat => {
  const x = numbers(heat.x);
  const y = numbers(heat.y) ?? x;
  const half = numbers(heat.h);
  const full = numbers(heat.z);
  const lower = (i, j) => half[Math.max(i, j) * (Math.max(i, j) + 1) / 2 + Math.min(i, j)];
  const z = y.map((_, i) => x.map((__, j) => (half ? lower(i, j) : full[i * x.length + j])));
  const cells = index => numbers(index) && y.map((_, i) => numbers(index).slice(i * x.length, (i + 1) * x.length));
  return { x, y, z, texts: cells(heat.t), reach: cells(heat.e), more: cells(heat.m), n: cells(heat.n), lost: cells(heat.l), collapsed: cells(heat.c), when: heat.w };
};
// Of polygons: x and y corners, v value; of images: x and y ends, c columns, p red, green, blue.
const unpackedPolygon = polygon => ({ name: DATA.names[polygon.s][0], x: numbers(polygon.x), y: numbers(polygon.y), value: polygon.v, when: polygon.w });
const unpackedRaster = raster => {
  const flat = numbers(raster.p);
  const pixels = [];
  for (let at = 0; at < flat.length; at += 3 * raster.c) {
    pixels.push(Array.from({ length: raster.c }, (_, i) => flat.slice(at + 3 * i, at + 3 * i + 3)));
  }
  return { x: numbers(raster.x), y: numbers(raster.y), pixels, when: raster.w };
};
// Of notes: t lines, x and y the place and, of an arrow, its end.
const unpackedNote = note => ({ lines: note.t, x: numbers(note.x), y: numbers(note.y), when: note.w });
const unpacked = panel => ({
  ...panel, x: DATA.axes[panel.x], scales: panel.y.map(index => DATA.axes[index]), z: DATA.axes[panel.z],
  more: DATA.axes[panel.more], traces: (panel.traces ?? []).map(unpackedTrace), heats: (panel.heats ?? []).map(unpackedHeat),
  polygons: (panel.polygons ?? []).map(unpackedPolygon), rasters: (panel.rasters ?? []).map(unpackedRaster),
  notes: (panel.notes ?? []).map(unpackedNote),
});

// A trace's values on an axis: as they are, or what is missing to 100%.
function onAxis(trace, axis) {
  const change = value => (value === null ? null : axis.complement ? 100 - value : value);
  const y = trace.y.map(change).map(value => (axis.scale === 'log' && value <= 0 ? null : value));
  if (trace.reach === undefined) return { ...trace, y };
  const end = (sign, reach) => y.map((value, i) => (value === null || reach[i] === null ? null : value + sign * reach[i]));
  const wide = trace.wide && { wideLow: end(-1, trace.wide), wideHigh: end(1, trace.wide) };
  return { ...trace, y, low: end(-1, trace.down ?? trace.reach), high: end(1, trace.reach), ...wide };
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
const nearest = (names, value) => names[Math.min(names.length - 1, Math.max(0, Math.round(value)))];
const placed = (axis, value) => (axis.scale === 'names' ? nearest(axis.names, value) : shown(axis, value));

// plotly reads a little HTML in its texts, and a name may look like some
const ESCAPES = { '&': '&amp;', '<': '&lt;', '>': '&gt;' };
const escaped = text => text.replace(/[&<>]/g, character => ESCAPES[character]);

function styleOf(mark, theme) {
  const own = DATA.series[mark.like ?? mark.name];
  const hollow = mark.hollow ?? false;
  if (!own) return { colour: DATA.context, symbol: 'circle', dash: 'solid', hollow };
  return { ...own, colour: own[theme.dark ? 'dark' : 'light'], hollow: hollow || own.hollow };
}

const faded = (hex, alpha) => {
  const [r, g, b] = [1, 3, 5].map(at => parseInt(hex.slice(at, at + 2), 16));
  return `rgba(${r},${g},${b},${alpha})`;
};

const seeds = number => (number === 1 ? '1 seed' : `${number} seeds`);

function hover(panel, axis, trace, index) {
  const lines = [`<b>${escaped(trace.like ?? trace.name)}</b>${trace.like ? `, ${escaped(trace.name)}` : ''}`, `${escaped(axis.title)}: <b>${shown(axis, trace.y[index])}</b>`];
  if (trace.high && trace.high[index] !== null) {
    lines.push(`95% interval ${shown(axis, trace.low[index])} to ${shown(axis, trace.high[index])}`);
  }
  if (trace.wideHigh && trace.wideHigh[index] !== null) {
    lines.push(`${escaped(panel.wider)} ${shown(axis, trace.wideLow[index])} to ${shown(axis, trace.wideHigh[index])}`);
  }
  lines.push(`${escaped(panel.x.title)}: ${escaped(placed(panel.x, trace.x[index]))}`);
  if (trace.more) lines.push(`${escaped(panel.more.title)}: ${shown(panel.more, trace.more[index])}`);
  if (trace.n) lines.push(seeds(trace.n[index]));
  if (trace.lost?.[index]) lines.push(`${seeds(trace.lost[index])} failed`);
  return lines.join('<br>');
}

const band = (trace, colour) => {
  const { x, low, high } = trace;
  const kept = x.map((_, i) => i).filter(i => low[i] !== null && high[i] !== null);
  return {
    x: [...kept.map(i => x[i]), ...kept.map(i => x[i]).reverse()],
    y: [...kept.map(i => high[i]), ...kept.map(i => low[i]).reverse()],
    type: 'scatter', mode: 'lines', line: { width: 0 }, fill: 'toself', hoverinfo: 'skip',
    fillcolor: faded(colour, 0.13),
  };
};

// A level as far as the axis reaches.
function stretched(trace, axis) {
  if (!axis.ends) return trace;
  const around = values => values && [values[0], ...values, values.at(-1)];
  const ends = axis.reverse ? [axis.ends[1], axis.ends[0]] : axis.ends;
  return { ...trace, x: [ends[0], ...trace.x, ends[1]], y: around(trace.y), low: around(trace.low),
    high: around(trace.high), n: around(trace.n) };
}

// One trace of the description as plotly's traces.
function tracesOf(panel, axis, given, theme) {
  const trace = given.look === 'level' ? stretched(given, panel.x) : given;
  const style = styleOf(trace, theme);
  const { y } = trace;
  const found = [];
  const made = {
    type: 'scatter', x: trace.x.map(value => (trace.shift === 1 ? value : value * trace.shift)), y, name: trace.name,
    line: { color: style.colour, width: style.hollow ? 1.4 : 1.9, dash: style.dash },
    marker: { color: style.hollow ? theme.page : style.colour, symbol: style.symbol, size: 7.5,
      line: { color: style.colour, width: style.hollow ? 1.5 : 0 } },
    hovertext: y.map((_, index) => hover(panel, axis, trace, index)), hoverinfo: 'text',
    hoverlabel: { bordercolor: style.colour },
  };
  const bars = !trace.high ? undefined : {
    type: 'data', symmetric: false, color: style.colour, thickness: trace.wideHigh ? 2.2 : 1, width: trace.wideHigh ? 0 : 2.5,
    array: trace.high.map((high, i) => (high === null ? 0 : high - y[i])),
    arrayminus: trace.low.map((low, i) => (low === null ? 0 : y[i] - low)),
  };
  if (trace.wideHigh) {
    const array = trace.wideHigh.map((high, i) => (high === null ? 0 : high - y[i]));
    found.push({ type: 'scatter', mode: 'markers', x: made.x, y, name: trace.name, hoverinfo: 'skip', marker: { size: 0.1, color: style.colour },
      error_y: { type: 'data', array, color: style.colour, thickness: 0.7, width: 2.5 } });
  }
  if (trace.look === 'line') found.push({ ...made, mode: 'lines+markers', error_y: bars });
  if (trace.look === 'points') found.push({ ...made, mode: 'markers', error_y: bars });
  if (trace.look === 'curve' || trace.look === 'level') {
    if (bars && trace.banded) found.push(band(trace, style.colour));
    found.push({ ...made, mode: 'lines' });
  }
  if (trace.look === 'band' && bars) found.push({ ...band(trace, style.colour), name: trace.name });
  if (trace.look === 'bars') {
    const { line, ...rest } = made;
    found.push({ ...rest, type: 'bar', width: trace.width, error_y: bars, marker: { color: style.colour } });
  }
  if (trace.look === 'stairs') {
    Object.assign(made.line, { shape: 'hvh', dash: 'solid', width: DATA.series[trace.name] ? 1.6 : 0 });
    found.push({ ...made, mode: 'lines', fill: 'tozeroy', fillcolor: faded(style.colour, DATA.series[trace.name] ? 0.12 : 0.45) });
  }
  if (trace.look === 'front') {
    made.line = { color: style.colour, width: 7, shape: 'hv' };
    found.push({ ...made, mode: 'lines', opacity: 0.35, hoverinfo: 'skip' });
  }
  if (trace.lost) {
    const at = y.map((_, i) => i).filter(i => trace.lost[i]);
    found.push({ type: 'scatter', mode: 'text', x: at.map(i => made.x[i]), y: at.map(i => y[i]), text: at.map(() => '‡'),
      textposition: 'top right', textfont: { color: style.colour, size: 13 }, hoverinfo: 'skip', name: trace.name });
  }
  return found;
}

// Colours from the lowest value to the highest, as plotly wants them.
const colourscale = z => (z.reverse ? [...DATA.heat].reverse() : DATA.heat).map((colour, i, all) => [i / (all.length - 1), colour]);
const colourbar = (z, theme, inner) => ({ thickness: 10, outlinewidth: 0, len: 1, title: { text: inLines(titled(z), inner / 6.2), side: 'right' },
  tickfont: { color: theme.quiet } });

// A text in two lines where it has more letters than fit in one.
function inLines(text, letters) {
  const middle = text.lastIndexOf(' ', Math.ceil(text.length / 2));
  return text.length <= letters || middle < 1 ? text : `${text.slice(0, middle)}<br>${text.slice(middle + 1)}`;
}

function heatTrace(panel, axis, heat, theme, inner) {
  const { x, y, z } = heat;
  const [zmin, zmax] = panel.z.ends ?? [];
  return {
    type: 'heatmap', z, colorscale: colourscale(panel.z), zmin, zmax, hoverinfo: 'text',
    ...(heat.texts && { xgap: 1.5, ygap: 1.5 }),
    hovertext: z.map((row, j) => row.map((_, i) => hoverCell(panel, axis, heat, j, i).join('<br>'))),
    colorbar: colourbar(panel.z, theme, inner),
  };
}

function hoverCell(panel, axis, heat, j, i) {
  const { x, y } = heat;
  const z = heat.z[j][i];
  const lines = z === null ? [] : [`${escaped(panel.z.title)}: <b>${shown(panel.z, z)}</b>`];
  if (!heat.texts && panel.x.title === axis.title) return [...lines, `${escaped(axis.title)}s ${shown(panel.x, x[i])} and ${shown(axis, y[j])}`];
  if (!heat.texts) return [...lines, `${escaped(panel.x.title)} ${shown(panel.x, x[i])}, ${escaped(axis.title.toLowerCase())} ${shown(axis, y[j])}`];
  const half = heat.reach?.[j][i] ?? null;
  const [own, value] = z === null ? [panel.more, heat.more[j][i]] : [panel.z, z];
  const between = half === null ? [] : [`95% interval ${shown(own, value - half)} to ${shown(own, value + half)}`];
  const more = value === null ? [] : [`${escaped(panel.more.title)}: ${shown(panel.more, heat.more[j][i])}`];
  lines.push(...(z === null ? [...more, ...between] : [...between, ...more]));
  lines.unshift(`${escaped(axis.title)} ${escaped(placed(axis, y[j]))}, ${escaped(panel.x.title.toLowerCase())} ${escaped(placed(panel.x, x[i]))}`);
  if (value === null && !heat.lost?.[j][i]) return [...lines, 'no result'];
  if (heat.n?.[j][i]) lines.push(seeds(heat.n[j][i]));
  if (heat.lost?.[j][i]) lines.push(`${seeds(heat.lost[j][i])} failed`);
  if (heat.collapsed?.[j][i]) lines.push(`${seeds(heat.collapsed[j][i])} with layer collapse`);
  return lines;
}

// What is written in the cells, in black or white on a colour, as large as fits: both lines, or the
// first, or nothing where cells are tiny.
function writtenTrace(panel, heat, theme, cell) {
  const at = heat.z.flatMap((row, j) => row.map((_, i) => [j, i]));
  const longest = lines => Math.max(1, ...at.map(([j, i]) => Math.max(...heat.texts[j][i].split('\n').slice(0, lines).map(line => line.length))));
  const size = lines => Math.min(13, cell.height / (1.3 * lines), cell.width / (0.62 * longest(lines)));
  const lines = [2, 1].find(count => size(count) >= 8);
  if (lines === undefined) return null;
  const colour = z => (z === null ? theme.text : inkOn(colourOf(panel.z, z)));
  return {
    type: 'scatter', mode: 'text', x: at.map(([, i]) => i), y: at.map(([j]) => j), hoverinfo: 'skip',
    text: at.map(([j, i]) => heat.texts[j][i].split('\n').slice(0, lines).join('<br>')),
    textfont: { size: size(lines), color: at.map(([j, i]) => colour(heat.z[j][i])) },
  };
}

// Pixels of a matrix of named rows and columns, and of its cells: wide enough for what is written,
// so that a narrow screen scrolls sideways.
function writtenSize({ x, y }, panel, axis, width) {
  const letters = names => Math.min(22, Math.max(...names.map(name => name.length)));
  const left = 7 * letters(axis.names) + 24;
  const across = Math.max(44, Math.min(110, (width - left - 86) / x.length));
  const slanted = 7 * letters(panel.x.names) > across;
  return { width: Math.round(left + 86 + across * x.length), height: 46 * y.length + (slanted ? 60 + 5.5 * letters(panel.x.names) : 84),
    slanted, cell: { width: across, height: 46 } };
}

// A colour between the stops of the scale.
function colourOf(z, value) {
  const stops = colourscale(z);
  const [low, high] = z.ends ?? [0, 1];
  const place = Math.min(1, Math.max(0, (value - low) / (high - low || 1))) * (stops.length - 1);
  const at = Math.min(stops.length - 2, Math.floor(place));
  const parts = hex => [1, 3, 5].map(start => parseInt(hex.slice(start, start + 2), 16));
  const [from, to] = [parts(stops[at][1]), parts(stops[at + 1][1])];
  return `rgb(${from.map((own, i) => Math.round(own + (to[i] - own) * (place - at))).join(',')})`;
}

// Black or white, whichever has more contrast with a colour.
function inkOn(colour) {
  const [r, g, b] = colour.match(/\d+/g).map(part => (part / 255 <= 0.04045 ? part / 255 / 12.92 : ((part / 255 + 0.055) / 1.055) ** 2.4));
  return 0.2126 * r + 0.7152 * g + 0.0722 * b > 0.179 ? '#000000' : '#ffffff';
}

function polygonTrace(panel, polygon, theme) {
  const valued = polygon.value !== undefined && panel.z;
  const colour = valued ? colourOf(panel.z, polygon.value) : styleOf(polygon, theme).colour;
  const text = [`<b>${escaped(polygon.name)}</b>`, ...(valued ? [`${escaped(panel.z.title)}: ${shown(panel.z, polygon.value)}`] : [])].join('<br>');
  return {
    type: 'scatter', mode: 'lines', fill: 'toself', x: [...polygon.x, polygon.x[0]], y: [...polygon.y, polygon.y[0]],
    name: polygon.name, line: { color: theme.page, width: 0.5 }, fillcolor: colour, hoveron: 'fills', text, hoverinfo: 'text',
  };
}

const rasterTrace = ({ x, y, pixels }) => {
  const dx = (x[1] - x[0]) / pixels[0].length;
  const dy = (y[1] - y[0]) / pixels.length;
  return { type: 'image', z: pixels, x0: x[0] + dx / 2, dx, y0: y[1] - dy / 2, dy: -dy, hoverinfo: 'skip' };
};

// As many of these places on an axis as `gap` pixels between labels allow, the ends first.
function spaced(places, pixels, gap) {
  const kept = [];
  const first = [places[0], places.at(-1), ...places.slice(1, -1)];
  for (const place of first) {
    if (kept.every(other => Math.abs(pixels(place) - pixels(other)) >= gap)) kept.push(place);
  }
  return kept.sort((a, b) => a - b);
}

const shortened = name => escaped(name.length > 22 ? `…${name.slice(-21)}` : name);

function axisLayout(axis, highest, key, theme, pixels) {
  const found = {
    color: theme.quiet, gridcolor: theme.grid, linecolor: theme.rule, zeroline: false, showline: key === 'x',
    ticks: key === 'x' ? 'outside' : '', ticklen: 4, tickcolor: theme.rule, automargin: true, fixedrange: false,
  };
  const [low, high] = axis.ends ?? [0, 1.05 * Math.max(highest, 1e-9)];
  const ends = axis.reverse ? [high, low] : [low, high];
  if (axis.scale === 'names') {
    const every = Math.max(1, Math.ceil(axis.names.length * 17 / pixels));
    const at = axis.names.map((_, index) => index).filter(index => index % every === 0);
    return { ...found, tickvals: at, ticktext: at.map(index => shortened(axis.names[index])), range: ends, showgrid: false,
      tickangle: axis.names.length * 60 > pixels ? -55 : 0 };
  }
  if (axis.scale === 'log') {
    const [bottom, top] = [low, high].map(Math.log10);
    const scale = pixels / (top - bottom);
    const round = [];
    for (let power = Math.floor(bottom); power <= Math.ceil(top); power += 1) {
      for (const digit of [1, 2, 5]) round.push(digit * 10 ** power);
    }
    const places = (axis.ticks ?? round).filter(v => v >= low && v <= high).sort((a, b) => a - b);
    const gap = key === 'x' ? 38 : 26;
    const kept = places.length ? spaced(places, value => Math.log10(value) * scale, gap) : [];
    return { ...found, type: 'log', range: ends.map(Math.log10), tickvals: kept,
      ticktext: kept.map(value => String(Number(value.toPrecision(3)))) };
  }
  found.range = ends;
  if (axis.format === 'steps') found.tickformat = pixels < 400 && high >= 10000 ? '~s' : ',~g';
  found.nticks = Math.max(3, Math.round(pixels / (key === 'x' ? 80 : 55)));
  return found;
}

// Places at least `gap` apart from 0 to `size`, as near to the wanted ones, which ascend, as can be:
// where some would overlap, they are spread around their mean.
function apart(wanted, gap, size) {
  const blocks = [];
  const mean = ({ sum, count }) => sum / count;
  wanted.forEach((place, index) => {
    blocks.push({ sum: place - index * gap, count: 1 });
    while (blocks.length > 1 && mean(blocks.at(-2)) > mean(blocks.at(-1))) {
      const last = blocks.pop();
      blocks.at(-1).sum += last.sum;
      blocks.at(-1).count += last.count;
    }
  });
  const most = Math.max(0, size - (wanted.length - 1) * gap);
  return blocks.flatMap(block => Array(block.count).fill(Math.min(most, Math.max(0, mean(block))))).map((place, index) => place + index * gap);
}

const NAME_GAP = 14; // pixels between the names of lines

// The names of lines at their right ends, with the last value; controls only where there is room for
// all, and nothing where there is not even for the tickets. The legend has them all.
function endNames(axis, traces, theme, width, inner) {
  const [low, high] = axis.ends.map(end => (axis.scale === 'log' ? Math.log10(end) : end));
  const room = Math.floor(inner / NAME_GAP) + 1;
  const lines = traces.filter(trace => trace.look === 'line' && trace.y.some(value => value !== null));
  const tickets = lines.filter(trace => trace.control === 'none');
  const chosen = [lines, tickets].find(some => some.length <= room) ?? [];
  const placed = chosen.map(trace => {
    const last = trace.y.findLast(value => value !== null);
    const share = ((axis.scale === 'log' ? Math.log10(last) : last) - low) / (high - low);
    const name = width < 480 ? shortened(trace.name) : `${shortened(trace.name)} ${shown(axis, last).replace('%', '')}`;
    return { name, colour: styleOf(trace, theme).colour, share };
  }).sort((a, b) => a.share - b.share);
  const places = apart(placed.map(({ share }) => Math.min(1, Math.max(0, share)) * inner), NAME_GAP, inner);
  // of a line that has left the axis, where it went
  const out = share => (share < 0 ? ' ↓' : share > 1 ? ' ↑' : '');
  return placed.map(({ name, colour, share }, index) => ({ text: name + out(share), showarrow: false, xref: 'paper', yref: 'paper', x: 1, y: places[index] / inner,
    xanchor: 'left', yanchor: 'middle', xshift: 4, font: { size: 11, color: colour } }));
}

const titled = axis => escaped(axis.label);

// Words and arrows; an arrow without words has a text all the same, or plotly would put one.
function notesOf({ lines, x, y }, theme) {
  const shared = { font: { size: 11, color: theme.text }, text: lines.map(escaped).join('<br>') };
  const found = shared.text ? [{ ...shared, x: x[0], y: y[0], showarrow: false }] : [];
  if (x.length > 1) {
    found.push({ x: x[1], y: y[1], ax: x[0], ay: y[0], axref: 'x', ayref: 'y', text: '', showarrow: true, arrowhead: 2,
      arrowsize: 0.9, arrowwidth: 1, arrowcolor: theme.quiet });
  }
  return found;
}

// What plotly draws of a panel: `marks` are its traces, heats, polygons, rasters and notes that are chosen
// and switched on; `width` in pixels.
function drawing(panel, axis, marks, theme, width) {
  const few = marks.traces.filter(trace => trace.look === 'curve').length <= DATA.bands;
  const traces = marks.traces.map(trace => ({ ...onAxis(trace, axis), banded: trace.look === 'level' || few }));
  const { heats, polygons, rasters, notes } = marks;
  let height = width < 480 && !heats.length ? Math.min(panel.height, 320) : panel.height;
  if (theme.lowest) height = heats.length ? Math.min(height, Math.max(230, 0.52 * width)) : Math.max(Math.min(height, theme.lowest), height * 0.7);
  if (panel.wide && rasters.length) height = Math.min(height, 110 + width / 8); // images side by side stay images
  const made = [];
  const owners = []; // the names in the legend that each of them stands for
  const add = (trace, owner) => {
    trace.uid = `t${made.length}`;
    made.push(trace);
    owners.push(owner);
  };
  for (const raster of rasters) add(rasterTrace(raster), []);
  for (const polygon of polygons) add(polygonTrace(panel, polygon, theme), [polygon.name]);
  const order = { front: 0, level: 1 };
  for (const trace of [...traces].sort((a, b) => (order[a.look] ?? 2) - (order[b.look] ?? 2))) {
    for (const one of tracesOf(panel, axis, trace, theme)) add(one, [trace.name, trace.like]);
  }
  const sized = heats.length && heats[0].texts ? writtenSize(heats[0], panel, axis, width) : null;
  for (const heat of heats) {
    add(heatTrace(panel, axis, heat, theme, (sized?.height ?? height) - 76), []);
    const written = sized && writtenTrace(panel, heat, theme, sized.cell);
    if (written) add(written, []);
  }
  const highest = Math.max(0, ...traces.flatMap(trace => trace.high ?? trace.y).filter(value => value !== null));
  const layout = {
    width, height, autosize: false, showlegend: false, hovermode: 'closest', hoverdistance: 18, barmode: 'overlay',
    paper_bgcolor: 'rgba(0,0,0,0)', plot_bgcolor: 'rgba(0,0,0,0)', colorway: [theme.text],
    font: { family: theme.font, size: 12, color: theme.quiet },
    margin: { l: 40, r: 14, t: 26, b: 50 }, dragmode: theme.mouse ? 'zoom' : false,
    hoverlabel: { bgcolor: theme.page, font: { family: theme.font, size: 12.5, color: theme.text }, align: 'left' },
    xaxis: { ...axisLayout(panel.x, highest, 'x', theme, width - 60), title: { text: titled(panel.x), standoff: 8, font: { size: 12 } } },
    yaxis: axisLayout(axis, highest, 'y', theme, height - 70),
    annotations: [{ text: titled(axis), showarrow: false, xref: 'paper', yref: 'paper', x: 0, y: 1,
      xanchor: 'left', yanchor: 'bottom', yshift: 7, xshift: -2, font: { size: 12, color: theme.quiet } },
      ...notes.flatMap(note => notesOf(note, theme))],
  };
  if (panel.named && axis.ends) {
    const names = endNames(axis, traces, theme, width, height - 26 - 50);
    if (names.length) layout.margin.r = 12 + 6.3 * Math.max(...names.map(({ text }) => text.length));
    layout.annotations.push(...names);
  }
  if (panel.isometric) {
    Object.assign(layout.xaxis, { constrain: 'domain' });
    Object.assign(layout.yaxis, { constrain: 'domain', scaleanchor: 'x' });
  }
  if (rasters.length) Object.assign(layout.yaxis, { scaleanchor: false }); // images would make their pixels square
  if (sized) {
    Object.assign(layout, { width: sized.width, height: sized.height, plot_bgcolor: theme.grid });
    const named = ({ names }) => ({ tickvals: names.map((_, index) => index), ticktext: names.map(shortened), showgrid: false,
      showline: false, ticks: '', fixedrange: true });
    Object.assign(layout.xaxis, named(panel.x), { tickangle: sized.slanted ? -40 : 0 });
    Object.assign(layout.yaxis, named(axis), { tickangle: 0 });
    return { traces: made, layout, owners };
  }
  for (const { x, y } of heats) { // cells of one size, whatever lies between two of them
    const size = Math.min((width - 150) / x.length, (height - 86) / y.length);
    const cells = (at, own, gap) => {
      const names = at.map(value => (own.format === 'value' ? minus(String(Number(value.toPrecision(2)))) : shown(own, value)));
      const every = Math.ceil(gap(Math.max(...names.map(name => name.length))) / size);
      const tickvals = at.map((_, index) => index).filter(index => index % every === 0);
      return { tickvals, ticktext: tickvals.map(index => names[index]), range: [-0.5, at.length - 0.5], showgrid: false,
        showline: false, ticks: '', constrain: 'domain' };
    };
    Object.assign(layout.xaxis, cells(x, panel.x, letters => 7 * letters + 6), { tickangle: 0 });
    Object.assign(layout.yaxis, cells(y, axis, () => 16), { scaleanchor: 'x' });
  }
  return { traces: made, layout, owners };
}
