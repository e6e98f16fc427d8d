// Figures that Optuna made: its traces as they are, in this page's colours and sizes.

// Hues for what Optuna leaves to plotly, on white and on near-black; style.py says why these.
const HUES = { light: ['#1a44a2', '#cc2a1b', '#007834'], dark: ['#4f81c7', '#dc5815', '#65c67d'] };

function dressed({ data, layout }, colours, width, height) {
  const font = { family: colours.font ?? theme().font, size: 11.5, color: colours.quiet };
  const made = { ...structuredClone(layout), width, height, autosize: false, font, showlegend: false,
    paper_bgcolor: 'rgba(0,0,0,0)', plot_bgcolor: 'rgba(0,0,0,0)', colorway: HUES[colours.dark ? 'dark' : 'light'],
    margin: { l: 44, r: 12, t: 8, b: 38 }, hovermode: 'closest', dragmode: colours.mouse ? 'zoom' : false,
    hoverlabel: { bgcolor: colours.page, font: { ...font, color: colours.text }, align: 'left' } };
  for (const key of new Set([...Object.keys(made).filter(name => /^[xy]axis\d*$/.test(name)), 'xaxis', 'yaxis'])) {
    made[key] = { ...made[key], color: colours.quiet, gridcolor: colours.grid, linecolor: colours.rule, zeroline: false, automargin: true,
      exponentformat: 'e' };
    if (made[key].title) made[key].title = { ...made[key].title, font: { size: 11.5 }, standoff: 6 };
  }
  const traces = structuredClone(data).map((trace, index) => {
    trace.uid = `o${index}`;
    if (trace.type === 'contour') trace.colorbar = { ...trace.colorbar, thickness: 8, outlinewidth: 0,
      title: { ...trace.colorbar?.title, font: { size: 11.5 } }, tickfont: { color: colours.quiet } };
    if (trace.type === 'bar') trace.textfont = { color: colours.text };
    return trace;
  });
  return [traces, made];
}

const plots = all('figure[data-plot]').map(figure => {
  const plot = figure.querySelector('.plot');
  plot.style.minHeight = `${figure.dataset.height}px`;
  return { figure, plot, near: false, stale: true, drawn: false };
});

function drawPlot(place, colours = theme(), width = place.figure.clientWidth) {
  if (!window.Plotly || width === 0) return;
  const height = Number(place.figure.dataset.height);
  const [traces, layout] = dressed(DATA.plots[place.figure.dataset.plot], colours, width, height);
  Plotly[place.drawn ? 'react' : 'newPlot'](place.plot, traces, layout, CONFIG);
  Object.assign(place, { drawn: true, stale: false, width: place.figure.clientWidth });
}

function touchPlots() {
  for (const place of plots) {
    place.stale = true;
    if (place.near) drawPlot(place);
  }
}

function plotsOntoPaper() {
  for (const place of plots) if (place.figure.offsetParent !== null) drawPlot(place, PAPER, PAPER_WIDTH / 2 - 16);
}

const plotOf = new Map(plots.map(place => [place.figure, place]));
const plotsNear = new IntersectionObserver(entries => {
  for (const entry of entries) {
    const place = plotOf.get(entry.target);
    place.near = entry.isIntersecting;
    if (place.near && place.stale && !printing) drawPlot(place);
  }
}, { rootMargin: '600px 0px' });
const plotsResized = new ResizeObserver(entries => {
  for (const entry of entries) {
    const place = plotOf.get(entry.target);
    if (!place.drawn || printing || Math.abs(place.width - entry.target.clientWidth) <= 1) continue;
    place.stale = true;
    requestAnimationFrame(() => { if (place.near) drawPlot(place); });
  }
});
for (const figure of plotOf.keys()) {
  plotsNear.observe(figure);
  plotsResized.observe(figure);
}
