// Loads the other scripts once the page has been painted: plotly takes a second to be read, on a slow
// machine three, and tables need none of it.

const { scripts } = document.currentScript.dataset;
requestAnimationFrame(() => setTimeout(() => {
  for (const src of scripts.split(' ')) document.body.append(Object.assign(document.createElement('script'), { src, async: false }));
}));
