// Parallel coordinates: a line for each run, through its settings, its metrics at the start and its outcome.

const NARROWEST_AXIS = 88; // pixels from one axis to the next

const OUTCOMES = [
  ["solved", (run) => run.figures.solved_step !== undefined, 0, "solid", "circle"],
  ["ended, not solved", (run) => run.counts && run.figures.solved_step === undefined, 1, "dash", "x"],
  ["not ended", (run) => !run.counts && run.figures.solved_step === undefined, 3, "dot", "diamond-open"],
];

// An axis: { label, of(run) -> [0, 1] or null, ticks: [[place, text]] }; null if there is nothing to show.
function numericAxis(label, some, of, text = short) {
  const values = some.map(of).filter((value) => Number.isFinite(value));
  if (!values.length) return null;
  const [low, high] = [values.reduce((a, b) => Math.min(a, b)), values.reduce((a, b) => Math.max(a, b))];
  const place = (value) => (high > low ? (value - low) / (high - low) : 0.5);
  const ticks = (high > low ? roundTicks(low, high) : [low]).map((value) => [place(value), text(value)]);
  return { label, ticks, of: (run) => (Number.isFinite(of(run)) ? place(of(run)) : null) };
}

function settingAxis({ key, label }, some) {
  const values = distinct(some, key).map((value) => valueText(key, value));
  const place = (k) => (values.length > 1 ? k / (values.length - 1) : 0.5);
  const every = Math.ceil(values.length / 12);
  return { label, ticks: values.map((value, k) => [place(k), value]).filter((_, k) => k % every === 0), of: (run) => place(values.indexOf(valueText(key, run.values[key]))) };
}

// Unsolved runs stand above all that are solved.
function timeAxis(some) {
  const made = numericAxis("steps to solve", some, (run) => run.figures.solved_step, (value) => short(value, 4));
  if (made === null) return null;
  const scale = 0.86;
  const of = (run) => (run.figures.solved_step !== undefined ? scale * made.of(run) : run.counts ? 1 : null);
  return { ...made, of, ticks: [...made.ticks.map(([place, text]) => [scale * place, text]), [1, "not solved"]] };
}

// The metrics at the start of a run and on the test split.
function metricAxis({ key, label, scale }, some) {
  if (scale !== "log") return numericAxis(label, some, (run) => run.figures[key], (value) => short(value));
  return numericAxis(`log10 ${label}`, some, (run) => (run.figures[key] > 0 ? Math.log10(run.figures[key]) : NaN), (value) => short(value));
}

function parallelAxes(some) {
  const metrics = page.columns.filter(({ key }) => key.endsWith("_init") || key.startsWith("test/"));
  return [
    ...SETTINGS.map((key) => settingAxis(settingOf(key), some)),
    ...metrics.sort((a, b) => a.key.startsWith("test/") - b.key.startsWith("test/")).map((metric) => metricAxis(metric, some)),
    timeAxis(some),
  ].filter((made) => made !== null);
}

function parallelTraces(some, axes) {
  return OUTCOMES.map(([name, belongs, hue, dash, symbol]) => {
    const trace = { x: [], y: [], text: [], mode: "lines+markers", name, line: { color: palette()[hue], width: 1.1, dash }, marker: { size: 5, symbol, color: palette()[hue] }, opacity: some.length > 200 ? 0.35 : 0.6, hovertemplate: "%{text}<extra></extra>" };
    for (const run of some.filter(belongs)) {
      axes.forEach((made, k) => {
        trace.x.push(k);
        trace.y.push(made.of(run));
        trace.text.push(plain(labels.get(run)));
      });
      trace.x.push(null);
      trace.y.push(null);
      trace.text.push("");
    }
    return trace;
  }).filter((trace) => trace.x.length);
}

function drawParallel() {
  const some = shownRuns();
  const axes = some.length ? parallelAxes(some) : [];
  byId("parallel-says").textContent = axes.length < 2 ? "There is nothing to compare yet." : "One line for each run. The values of a setting stand at even distances; each metric has a scale from its lowest to its highest shown value.";
  if (axes.length < 2) return clear("parallel-plot");
  const shapes = axes.map((_, k) => ({ type: "line", x0: k, x1: k, y0: 0, y1: 1, line: { color: colour("line"), width: 1 }, layer: "below" }));
  const annotations = axes.flatMap((made, k) => made.ticks.map(([place, text]) => ({
    x: k, y: place, text: plain(text), showarrow: false, xanchor: "left", xshift: 7, font: { size: 12, color: colour("ink") }, bgcolor: faint(colour("ground"), 0.78), borderpad: 1,
  })));
  const width = printing ? PRINT_WIDTH : Math.max(widthOf("parallel-plot"), NARROWEST_AXIS * axes.length); // wider than the window, it scrolls
  const room = Math.max(8, Math.floor(width / axes.length / 8));
  const names = axes.map((made) => wrapped(made.label, room));
  const lines = names.reduce((most, name) => Math.max(most, name.split("<br>").length), 1);
  const x = { tickvals: axes.map((_, k) => k), ticktext: names, range: [-0.15, axes.length - 0.45], showgrid: false, zeroline: false, fixedrange: true, side: "top", tickangle: 0, automargin: true };
  draw("parallel-plot", parallelTraces(some, axes), { width, height: 440, margin: { l: 34, r: 20, t: 44 + 17 * lines, b: 40 }, xaxis: x, yaxis: { visible: false, range: [-0.05, 1.06], fixedrange: true }, shapes, annotations, hovermode: "closest", showlegend: true, legend: { orientation: "h", x: 0, y: -0.02, yanchor: "top" } }, "Parallel coordinates of the runs that are shown");
}
