// The table of runs: it sorts by any column; one box shows a run, another one compares it.

// State -> its sign, its name and its meaning.
const STATES = {
  solved: ["●", "solved", "solved"], done: ["○", "not solved", "used all its steps and is not solved"],
  diverged: ["↗", "diverged", "its loss is not finite any more"],
  running: ["▶", "running", "still running"], gone: ["?", "gone", "its status says running, but its process is gone"],
  failed: ["✕", "failed", "ended by an error"], interrupted: ["‖", "interrupted", "interrupted; it goes on when it is typed again"],
  paused: ["◔", "paused", "used its time budget; it goes on when it is typed again"],
};
const MOST_PRINTED = 60;
const SPENT = { solved_step: "steps", solved_sequences: "sequences" };
let sortedBy = { column: null, down: false };

// The time to solve as a number to sort by and as text; for a run that used all its steps, more than these.
function timeToSolve(run, name) {
  const at = run.figures[name];
  if (at !== undefined) return { value: at, text: short(at, 6) };
  const spent = run.figures[SPENT[name]];
  if (run.state !== "done" || spent === undefined) return { value: null, text: MISSING };
  return { value: 1e15 + spent, text: `>${short(spent, 6)}` };
}

// The column of a metric; the time to solve of an unsolved run is a lower bound.
function metricColumn({ key, label, scale, better }) {
  if (key in SPENT) return { label, better, of: (run) => timeToSolve(run, key).value, text: (run) => timeToSolve(run, key).text };
  const text = (value) => (scale === "share" && value !== undefined ? value.toFixed(3) : short(value, 3));
  return { label, better, of: (run) => run.figures[key], text: (run) => text(run.figures[key]) };
}

function columns() {
  const always = page.settings.filter(
    (setting) => ["cell", "task", "T", "forget_bias"].includes(setting.key) || (setting.key !== "study" && VARYING.includes(setting)),
  );
  const shape = always.map(({ key, label }) => ({ label, of: (run) => run.values[key], text: (run) => textOf(run.values[key]) }));
  shape.push({ label: "seed", of: (run) => run.values.seed, text: (run) => textOf(run.values.seed) });
  if (new Set(runs.map((run) => run.study)).size > 1) shape.unshift({ label: "study", of: (run) => run.study, text: (run) => run.study });
  shape.push({ label: "state", of: (run) => stateName(run.state), badge: true });
  shape.push(...page.columns.map(metricColumn).filter(({ of }) => runs.some((run) => ![null, undefined].includes(of(run)))));
  return shape;
}

function stateName(state) {
  return STATES[state]?.[1] ?? state;
}

function badge(run) {
  const [sign, name, meaning] = STATES[run.state] ?? ["·", run.state, run.state];
  const title = run.reason ? `${meaning}: ${run.reason}` : meaning;
  return element("span", { className: `state ${run.state}`, title, textContent: `${sign} ${name}` });
}

function tick(run, property, label, onChange) {
  const box = element("input", { type: "checkbox", "aria-label": `${label} ${run.name}` });
  box.addEventListener("change", () => onChange(box.checked));
  run[property] = box;
  return element("td", { className: "box" }, box);
}

function rowOf(run, shape, update) {
  const row = element("tr", { title: `${run.study}/${run.name}` });
  row.append(
    tick(run, "showBox", "show", (on) => ((run.ticked = on), update())),
    tick(run, "compareBox", "compare", (on) => (choose(run, on), update())),
  );
  for (const column of shape) {
    const cell = element("td", { className: typeof column.of(run) === "number" ? "number" : "" });
    cell.append(column.badge ? badge(run) : column.text(run));
    row.append(cell);
  }
  run.row = row;
  run.searched = `${run.study} ${run.name} ${stateName(run.state)} ${shape.filter((c) => c.text).map((c) => `${c.label} ${c.text(run)}`).join(" ")}`;
  return row;
}

function sortTable(shape, index) {
  sortedBy = { column: index, down: sortedBy.column === index && !sortedBy.down };
  const { of } = shape[index];
  const missing = (value) => value === null || value === undefined;
  const order = [...runs].sort((a, b) => {
    const [x, y] = [of(a), of(b)];
    if (missing(x) || missing(y)) return missing(x) - missing(y) || a.index - b.index;
    return (sortedBy.down ? -1 : 1) * compared(x, y) || a.index - b.index;
  });
  byId("table").tBodies[0].append(...order.map((run) => run.row));
  byId("table").querySelectorAll("thead th[aria-sort]").forEach((heading, k) => {
    heading.setAttribute("aria-sort", k !== index ? "none" : sortedBy.down ? "descending" : "ascending");
  });
}

function startTable(update) {
  const shape = columns();
  const heading = element("tr", {}, element("th", { scope: "col", textContent: "show" }), element("th", { scope: "col", textContent: "compare" }));
  shape.forEach((column, index) => {
    const button = element("button", { type: "button", textContent: column.label });
    button.addEventListener("click", () => sortTable(shape, index));
    const title = column.better ? `${column.better} is better` : "";
    heading.append(element("th", { scope: "col", "aria-sort": "none", title }, button));
  });
  byId("table").tHead.append(heading);
  const inOrder = grouped(runs, SETTINGS).flatMap((group) => group.runs.sort((a, b) => compared(a.values.seed, b.values.seed)));
  byId("table").tBodies[0].append(...inOrder.map((run) => rowOf(run, shape, update)));
}

function drawTable() {
  const chosen = new Set(chosenRuns());
  let shown = 0;
  for (const run of runs) {
    run.row.hidden = !run.listed;
    run.showBox.checked = run.ticked;
    run.compareBox.checked = chosen.has(run);
    run.row.classList.toggle("off", !run.ticked);
    run.row.classList.toggle("chosen", chosen.has(run));
    if (run.listed && run.ticked) shown++;
  }
  const listed = runs.filter((run) => run.listed).length;
  byId("shown-count").textContent = `${shown} of ${runs.length} runs shown${listed < runs.length ? `, ${listed} pass the filters` : ""}`;
  document.body.classList.toggle("long-table", listed > MOST_PRINTED);
  byId("table-print").textContent = `The table of ${listed} runs is left out of the print.`;
}
