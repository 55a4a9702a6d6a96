// The data of the page, and how runs fall into groups.

const page = JSON.parse(document.getElementById("data").textContent);
const MISSING = "–";
const runs = page.runs;
runs.forEach((run, index) => Object.assign(run, { index, listed: true, ticked: true }));

// The runs that a reader has chosen to compare; null before the first choice, when the page chooses some itself.
let chosenByHand = null;
const MOST_CHOSEN = 8;
const CHOSEN_AT_FIRST = 4;

function byId(id) {
  return document.getElementById(id);
}

function shownRuns() {
  return runs.filter((run) => run.listed && run.ticked);
}

// base64 of little-endian float32 -> numbers; after a "~" they are log10.
function unpacked(text) {
  const log = text.startsWith("~");
  const bytes = Uint8Array.from(atob(log ? text.slice(1) : text), (character) => character.charCodeAt(0));
  const view = new DataView(bytes.buffer);
  const values = Array.from({ length: bytes.length / 4 }, (_, k) => view.getFloat32(4 * k, true));
  return log ? values.map((value) => 10 ** value) : values;
}

// A metric of a run against optimizer steps or training sequences: { x, y } where both were recorded.
function curveOf(run, name, against) {
  const { steps, columns } = run.metrics;
  if (!(name in columns) || (against !== "step" && !(against in columns))) return { x: [], y: [] };
  const y = unpacked(columns[name]);
  const x = against === "step" ? unpacked(steps) : unpacked(columns[against]);
  const kept = y.map((_, k) => k).filter((k) => !Number.isNaN(y[k]) && !Number.isNaN(x[k]));
  return { x: kept.map((k) => x[k]), y: kept.map((k) => y[k]) };
}

function textOf(value) {
  return value === null || value === undefined ? MISSING : String(value);
}

// Compare values: numbers before text, missing values last.
function compared(a, b) {
  const rank = (value) => (value === null || value === undefined || Number.isNaN(value) ? 2 : typeof value === "number" ? 0 : 1);
  if (rank(a) !== rank(b)) return rank(a) - rank(b);
  if (rank(a) === 0) return a - b;
  return rank(a) === 1 ? String(a).localeCompare(String(b)) : 0;
}

function distinct(some, key) {
  return [...new Map(some.map((run) => [textOf(run.values[key]), run.values[key]])).values()].sort(compared);
}

// The settings in which the runs of the page differ, shown or not, so that colours and names do not change.
const VARYING = page.settings.filter((setting) => distinct(runs, setting.key).length > 1);

function settingOf(key) {
  return page.settings.find((setting) => setting.key === key);
}

// The value of a setting as text. A missing value, where the cells differ, is named by the cells that have none.
function valueText(key, value) {
  if (value !== null && value !== undefined) return String(value);
  return cellsWithout(key).length ? `none (${cellsWithout(key).join(", ")})` : MISSING;
}

// The cells of the runs that have no value of a setting; none where all runs have one cell.
const withoutValue = new Map();
function cellsWithout(key) {
  if (!withoutValue.has(key)) {
    const cells = distinct(runs.filter((run) => textOf(run.values[key]) === MISSING), "cell").map(textOf);
    withoutValue.set(key, distinct(runs, "cell").length > 1 ? cells : []);
  }
  return withoutValue.get(key);
}

function labelOf(key, value) {
  return key === "cell" || key === "task" ? textOf(value) : `${settingOf(key).label} ${valueText(key, value)}`;
}

// A missing value is named only if there is no other value. Where the cells have no name in the label, those without a
// forget bias are named in its place.
function groupLabel(keys, values) {
  const parts = keys.map((key, k) => {
    const cells = key === "forget_bias" && textOf(values[k]) === MISSING && !keys.includes("cell") ? cellsWithout(key) : [];
    return cells.length ? [cells.join(", "), true] : [labelOf(key, values[k]), values[k]];
  });
  const known = parts.filter(([, value]) => value !== null && value !== undefined);
  return (known.length ? known : parts).map(([text]) => text).join(" · ");
}

// The runs in groups by the values of some settings: [{ label, values, runs }], in the order of the values.
function grouped(some, keys) {
  const groups = new Map();
  for (const run of some) {
    const values = keys.map((key) => run.values[key]);
    const name = JSON.stringify(values.map(textOf));
    if (!groups.has(name)) groups.set(name, { values, runs: [] });
    groups.get(name).runs.push(run);
  }
  const sorted = [...groups.values()];
  sorted.forEach((group) => (group.label = groupLabel(keys, group.values)));
  return sorted.sort((a, b) => {
    const k = a.values.findIndex((value, place) => compared(value, b.values[place]) !== 0);
    return k < 0 ? 0 : compared(a.values[k], b.values[k]);
  });
}

// The keys that split the runs further than the keys before them; T_max = T adds nothing to T.
function refining(some, keys, known) {
  const kept = [];
  let groups = grouped(some, known).length;
  for (const key of keys) {
    const finer = grouped(some, [...known, ...kept, key]).length;
    if (finer > groups) {
      kept.push(key);
      groups = finer;
    }
  }
  return kept;
}

const SETTINGS = refining(runs, VARYING.map((setting) => setting.key), []);

// The label of a run: its settings and its seed, or its name where these are not enough.
const labels = new Map();
for (const group of grouped(runs, SETTINGS)) {
  const seeds = group.runs.map((run) => textOf(run.values.seed));
  group.runs.forEach((run, k) => {
    const alone = seeds.filter((seed) => seed === seeds[k]).length === 1;
    labels.set(run, alone ? [group.label, `seed ${seeds[k]}`].filter(Boolean).join(" · ") : `${run.study}/${run.name}`);
  });
}

// The chosen runs: those of the reader, or one run of each of a few groups that have an error flow.
function chosenRuns() {
  const shown = shownRuns();
  if (chosenByHand !== null) return [...chosenByHand].filter((run) => run.listed && run.ticked);
  const withFlow = shown.filter((run) => Object.keys(run.flow).length);
  const groups = grouped(withFlow.length ? withFlow : shown, SETTINGS);
  const most = Math.min(CHOSEN_AT_FIRST, groups.length);
  const places = Array.from({ length: most }, (_, k) => (most < 2 ? 0 : Math.round((k * (groups.length - 1)) / (most - 1))));
  return places.map((place) => groups[place].runs[0]);
}

function choose(run, chosen) {
  const now = new Set(chosenRuns());
  if (chosen) now.add(run);
  else now.delete(run);
  chosenByHand = new Set([...now].slice(-MOST_CHOSEN));
}

// A number in a few digits: 0.987, 1.2e-7, 12,500.
function short(value, digits = 3) {
  if (value === null || value === undefined || Number.isNaN(value)) return MISSING;
  if (value === Infinity) return "∞";
  if (value === 0) return "0";
  const size = Math.abs(value);
  if (size < 1e-3 || size >= 1e7) return value.toExponential(1).replace("e+", "e");
  return Number(value.toPrecision(Math.max(digits, Math.ceil(Math.log10(size))))).toLocaleString("en", { maximumSignificantDigits: 7 });
}

function element(tag, properties = {}, ...children) {
  const made = document.createElement(tag);
  for (const [name, value] of Object.entries(properties)) {
    if (name in made) made[name] = value;
    else made.setAttribute(name, value);
  }
  made.append(...children);
  return made;
}

function fill(select, options, value) {
  select.replaceChildren(...options.map(([key, label]) => element("option", { value: key, textContent: label })));
  select.value = value;
}
