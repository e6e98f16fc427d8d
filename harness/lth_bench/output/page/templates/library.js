// plotly, which draws the figures. A page that is one file holds it packed: it takes 40% of the space, and what is on the screen is
// shown before it is read. A site has it as a file of its own, loaded before this script.

async function unpackedLibrary() {
  if (window.Plotly || !document.getElementById('plotly')) return; // a page of a site without figures needs none
  await new Promise(done => { requestAnimationFrame(() => setTimeout(done)); }); // after the first paint
  const packed = document.getElementById('plotly');
  const bytes = Uint8Array.from(atob(packed.textContent), letter => letter.charCodeAt(0));
  packed.remove();
  const unzipped = new Blob([bytes]).stream().pipeThrough(new DecompressionStream('gzip'));
  const code = document.createElement('script');
  code.textContent = await new Response(unzipped).text(); // the page's policy knows its hash
  document.head.append(code);
}

const library = unpackedLibrary();
library.then(() => {
  for (const group of groups) group.follow();
  for (const place of plots) if (place.near) drawPlot(place);
  if (printing) drawOnPaper();
}, () => {
  const note = Object.assign(document.createElement('p'), { className: 'note warn',
    textContent: 'This browser is too old to draw the figures; all tables are shown.' });
  document.querySelector('main').prepend(note);
});
