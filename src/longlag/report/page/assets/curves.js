// Curves: the median over seeds with a band, or each run, in panels.

const MOST_SINGLE = 60;
const MOST_PANELS = 12;
const MOST_BOTH = 48;

function curveMetric(key) {
  return page.curves.find((metric) => metric.key === key) ?? { key, label: key, scale: "linear" };
}

function startCurves(update) {
  fill(byId("curves-y"), page.curves.map(({ key, label }) => [key, label]), page.curves[0]?.key ?? "");
  const panels = VARYING.filter(({ key }) => distinct(runs, key).length <= MOST_PANELS);
  const options = [["", "nothing"], ...panels.map(({ key, label }) => [key, label])];
  const both = ["cell", "T"].every((key) => SETTINGS.includes(key)) && grouped(runs, ["cell", "T"]).length <= MOST_BOTH;
  if (both) options.push(["cell|T", "cell and T"]);
  const severalLines = both && grouped(runs, SETTINGS).length > grouped(runs, ["cell", "T"]).length;
  const one = ["T", "task", ...SETTINGS].find((key) => SETTINGS.length > 1 && panels.some((setting) => setting.key === key));
  fill(byId("curves-panels"), options, severalLines ? "cell|T" : one ?? "");
  if (grouped(runs, SETTINGS).length === runs.length) byId("curves-mode").value = "single";
  for (const id of ["y", "scale", "x", "xscale", "mode", "panels", "hold"]) byId(`curves-${id}`).addEventListener("change", update);
}

// A run that keeps its last value: no further step would change its outcome.
function settled(run) {
  return run.state === "solved" || run.state === "diverged";
}

// The median and the band of some curves: { x, low, middle, high, of }. A curve that is held keeps its last value: to
// the end of the axis if all are held, else to the last step of the others.
function band(curves, mode, held, until) {
  const own = curves.flatMap((curve) => curve.x);
  const x = [...new Set(own.length && held.every(Boolean) ? [...own, until] : own)].sort((a, b) => a - b);
  const rows = curves.map((curve, k) => interpolated(curve, x, held[k]));
  const at = x.map((_, k) => rows.map((row) => row[k]).filter((value) => !Number.isNaN(value)));
  const [low, high] = mode === "range" ? [0, 1] : [0.25, 0.75];
  return {
    x, of: at.map((values) => values.length), middle: at.map((values) => quantile(values, 0.5)),
    low: at.map((values) => quantile(values, low)), high: at.map((values) => quantile(values, high)),
  };
}

function bandTraces(group, look, place, options) {
  const curves = group.runs.map((run) => options.curves.get(run));
  const drawn = band(curves, options.mode, group.runs.map((run) => options.hold && settled(run)), options.until);
  const fits = drawn.x.map((_, k) => k).filter((k) => [drawn.low[k], drawn.high[k]].every((v) => Number.isFinite(v) && (!options.log || v > 0)));
  const back = [...fits].reverse();
  const area = {
    ...place, x: [...fits, ...back].map((k) => drawn.x[k]), y: [...fits.map((k) => drawn.high[k]), ...back.map((k) => drawn.low[k])],
    fill: "toself", fillcolor: faint(look.color, 0.16), line: { width: 0 }, mode: "lines", hoverinfo: "skip", showlegend: false, legendgroup: group.label,
  };
  const line = {
    ...place, x: drawn.x, y: drawn.middle, mode: "lines", line: look, name: plain(group.label || "all runs"), legendgroup: group.label,
    text: drawn.x.map((_, k) => `${plain(group.label)}<br>median of ${drawn.of[k]}: ${short(drawn.middle[k])} (${short(drawn.low[k])} – ${short(drawn.high[k])})`),
    hovertemplate: "%{text}<br>%{x}<extra></extra>", showlegend: options.legend,
  };
  return fits.length > 1 && curves.length > 1 ? [area, line] : [line];
}

function singleTraces(group, look, place, options) {
  return group.runs.map((run, k) => {
    const { x, y } = options.curves.get(run);
    return {
      ...place, x, y, mode: "lines", line: { ...look, width: 1.3 }, opacity: 0.8, name: plain(group.label || "runs"), legendgroup: group.label,
      showlegend: options.legend && k === 0, text: x.map(() => plain(labels.get(run))), hovertemplate: "%{text}<br>%{x}: %{y}<extra></extra>",
    };
  });
}

function curveOptions() {
  const name = byId("curves-y").value;
  const scale = byId("curves-scale").value;
  return {
    name, against: byId("curves-x").value, mode: byId("curves-mode").value, hold: byId("curves-hold").checked, panels: byId("curves-panels").value,
    log: scale === "log" || (scale === "auto" && curveMetric(name).scale === "log"), xlog: byId("curves-xscale").value === "log",
  };
}

function drawCurves() {
  const options = curveOptions();
  let some = shownRuns().filter((run) => options.name in run.metrics.columns);
  const all = some.length;
  if (options.mode === "single") some = some.slice(0, MOST_SINGLE);
  options.curves = new Map(some.map((run) => [run, curveOf(run, options.name, options.against)]));
  byId("curves-says").textContent = curvesSay(options, all, some);
  if (!some.length) return clear("curves-plot");
  const panelKeys = options.panels.split("|").filter(Boolean);
  const panels = grouped(some, panelKeys);
  const lines = SETTINGS.filter((key) => !panelKeys.includes(key));
  const known = grouped(runs, lines).map((group) => group.label);
  const { label, scale } = curveMetric(options.name);
  const share = scale === "share" && !options.log;
  const x = axis(options.against === "step" ? "optimizer steps" : "training sequences", { type: options.xlog ? "log" : "linear" });
  const y = axis(plain(label), { type: options.log ? "log" : "linear", ...(share ? { range: [-0.02, 1.03] } : {}) });
  const { layout, room, at } = panelled("curves-plot", panels, x, y, panelKeys.length > 1 ? { widest: 6, narrowest: 200, height: 240 } : { widest: 3, narrowest: 300 });
  const until = some.reduce((most, run) => options.curves.get(run).x.reduce((a, b) => Math.max(a, b), most), 0);
  const named = new Set();
  const traces = panels.flatMap((panel, k) =>
    grouped(panel.runs, lines).flatMap((group) => {
      const look = lineOf(known.indexOf(group.label));
      const legend = !named.has(group.label) && known.length > 1;
      named.add(group.label);
      return (options.mode === "single" ? singleTraces : bandTraces)(group, look, at(k), { ...options, legend, until });
    }),
  );
  const { legend, top } = legendAbove("curves-plot", known.length > 1 ? [...named] : [], layout.height);
  draw("curves-plot", traces, { ...layout, height: layout.height - 34 + top, margin: { t: top + room }, legend, hovermode: "closest" }, label);
}

function curvesSay(options, all, some) {
  if (!all) return "No run that is shown has recorded this metric.";
  const without = shownRuns().length - all;
  const lacking = without ? ` ${without} of the shown runs ${without > 1 ? "have" : "has"} not recorded this metric.` : "";
  const capped = some.length < all ? ` Only the first ${some.length} of ${all} runs are drawn: filter the runs, or show the median.` : "";
  const bands = { quartiles: "Line: the median over the seeds of a setting; band: from the lower to the upper quartile.", range: "Line: the median over the seeds of a setting; band: from the lowest to the highest." };
  const keeps = options.hold && options.mode !== "single" && some.some(settled);
  const held = keeps ? " A solved or diverged run keeps its last value; the line of a setting with other runs ends where they end." : "";
  const curves = [...options.curves.values()];
  const zero = (options.log && curves.some(({ y }) => y.includes(0))) || (options.xlog && curves.some(({ x }) => x.includes(0)));
  const lost = zero ? " A value of 0 has no place on a log axis." : "";
  const stride = Math.max(...some.map((run) => run.metrics.stride));
  const thinned = stride > 1 ? ` Thinned to keep the page small: up to every ${stride}th measurement and the last; metrics.csv has all.` : "";
  return (bands[options.mode] ?? "One line for each run.") + held + lost + thinned + lacking + capped;
}
