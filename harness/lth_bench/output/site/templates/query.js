// Asks the databases of this site in the browser, with the DuckDB-WASM beside it and nothing else.

(() => {
'use strict';
const MOST = 1000; // rows that are shown
const { databases } = JSON.parse(document.getElementById('record').textContent);
const form = document.querySelector('.ask form');
const button = form.querySelector('button');
const said = form.querySelector('output');
const picked = form.querySelector('select');
const answer = document.querySelector('.answer');
for (const path of databases) picked.add(new Option(path.split('/').pop().replace(/\.duckdb$/, ''), path));
form.querySelector('.database').hidden = databases.length < 2;
form.addEventListener('submit', event => { event.preventDefault(); run(); });

let duckdb = null;
let connection = null;
const attached = new Set();

// The library is written for node's `require`; what it requires is Arrow, which the page has loaded.
async function library() {
  window.module = { exports: {} };
  window.exports = window.module.exports;
  window.require = () => window.Arrow;
  await new Promise((done, failed) => {
    const script = Object.assign(document.createElement('script'), { src: 'duckdb/duckdb-browser.cjs', onload: done, onerror: failed });
    document.head.append(script);
  });
  return window.module.exports;
}

async function start() {
  if (location.protocol === 'file:') {
    said.textContent = 'A browser runs queries only on pages from a server. In the folder of this site, run `python -m http.server` and open the address that it names.';
    return;
  }
  const found = await library();
  const worker = new Worker('duckdb/duckdb-browser-eh.worker.js');
  duckdb = new found.AsyncDuckDB({ log() {} }, worker);
  await duckdb.instantiate(new URL('duckdb/duckdb-eh.wasm', location.href).href);
  connection = await duckdb.connect();
  button.disabled = false;
  said.textContent = 'Ready';
}

async function use(path) {
  const name = path.split('/').pop();
  if (!attached.has(path)) {
    said.textContent = `Reading ${name}…`;
    const bytes = new Uint8Array(await (await fetch(path)).arrayBuffer());
    await duckdb.registerFileBuffer(name, bytes);
    await connection.query(`ATTACH '${name}' AS "${name}" (READ_ONLY)`);
    attached.add(path);
  }
  await connection.query(`USE "${name}"`);
}

const text = value => {
  if (value === null || value === undefined) return '';
  if (value instanceof Date) return value.toISOString();
  if (typeof value === 'object' && typeof value.toJSON === 'function') return JSON.stringify(value, (_, x) => (typeof x === 'bigint' ? Number(x) : x));
  return String(value);
};

function show(table) {
  const made = document.createElement('table');
  const head = made.createTHead().insertRow();
  const names = table.schema.fields.map(field => field.name);
  for (const name of names) head.append(Object.assign(document.createElement('th'), { scope: 'col', className: 'text', textContent: name }));
  const body = made.createTBody();
  for (let at = 0; at < Math.min(table.numRows, MOST); at += 1) {
    const row = body.insertRow();
    const values = table.get(at);
    for (const name of names) Object.assign(row.insertCell(), { className: 'text', textContent: text(values[name]) });
  }
  answer.replaceChildren(made);
  said.textContent = table.numRows > MOST ? `${MOST} of ${table.numRows} rows` : `${table.numRows} rows`;
}

async function run() {
  button.disabled = true;
  answer.replaceChildren();
  try {
    await use(picked.value);
    said.textContent = 'Running…';
    show(await connection.query(document.getElementById('sql').value));
  } catch (error) {
    said.textContent = error.message;
  }
  button.disabled = false;
}

start().catch(error => { said.textContent = `DuckDB-WASM did not start: ${error.message ?? error}`; });
})();
