// Prints what plotly is given for every panel of a page's numbers, at every combination of choices.
import { readFileSync } from 'node:fs';

const [script, numbers] = process.argv.slice(2).map(path => readFileSync(path, 'utf8'));
globalThis.document = { getElementById: () => ({ textContent: numbers }) };
const code = `${script}\nreturn { DATA, unpacked, drawing };`;
const { DATA, unpacked, drawing } = new Function(code)();

const theme = { dark: false, page: '#ffffff', text: '#000000', quiet: '#444444', grid: '#e2e2e2', rule: '#bbbbbb' };
const combinations = choices => choices.reduce(
  (found, choice) => found.flatMap(one => choice.values.map((_, index) => [...one, index])), [[]]);
const drawn = DATA.pictures.map(picture => picture.panels.map(packed => {
  const panel = unpacked(packed);
  return combinations(picture.choices).map(chosen => {
    const own = ({ when }) => (when ?? []).every((value, index) => value === -1 || value === chosen[index]);
    const marks = Object.fromEntries(['traces', 'heats', 'polygons', 'rasters', 'notes'].map(key => [key, panel[key].filter(own)]));
    const axis = panel.scales.length > 1 ? panel.scales[chosen.at(-1)] : panel.scales[0];
    return { chosen, ...drawing(panel, axis, marks, theme, 800) };
  });
}));
console.log(JSON.stringify(drawn));
