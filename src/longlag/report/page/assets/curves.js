// Curves: the median over seeds with a band, or each run, in panels.

const MOST_SINGLE = 60;
const MOST_PANELS = 12;

function curveMetric(key) {
  return page.curves.find((metric) => metric.key === key) ?? { key, label: key, scale: "linear" };
}

function startCurves(update) {
  fill(byId("curves-y"), page.curves.map(({ key, label }) => [key, label]), page.curves[0]?.key ?? "");
  const panels = VARYING.filter(({ key }) => distinct(runs, key).length <= MOST_PANELS);
  const wanted = ["T", "task", ...SETTINGS].find((key) => SETTINGS.length > 1 && panels.some((setting) => setting.key === key));
  fill(byId("curves-panels"), [["", "nothing"], ...panels.map(({ key, label }) => [key, label])], wanted ?? "");
  if (grouped(runs, SETTINGS).length === runs.length) byId("curves-mode").value = "single";
  for (const id of ["y", "scale", "x", "xscale", "mode", "panels", "hold"]) byId(`curves-${id}`).addEventListener("change", update);
}

// The median and the band of some curves: { x, low, middle, high, of }.
function band(curves, mode, ended, hold, until) {
  const own = curves.flatMap((curve) => curve.x);
  const x = [...new Set(hold && ended.some(Boolean) ? [...own, until] : own)].sort((a, b) => a - b);
  const rows = curves.map((curve, k) => interpolated(curve, x, hold && ended[k]));
  const at = x.map((_, k) => rows.map((row) => row[k]).filter((value) => !Number.isNaN(value)));
  const [low, high] = mode === "range" ? [0, 1] : [0.25, 0.75];
  return {
    x, of: at.map((values) => values.length), middle: at.map((values) => quantile(values, 0.5)),
    low: at.map((values) => quantile(values, low)), high: at.map((values) => quantile(values, high)),
  };
}

function bandTraces(group, look, place, options) {
  const curves = group.runs.map((run) => curveOf(run, options.name, options.against));
  const drawn = band(curves, options.mode, group.runs.map((run) => run.state !== "running"), options.hold, options.until);
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
    const { x, y } = curveOf(run, options.name, options.against);
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
  byId("curves-says").textContent = curvesSay(options, all, some.length);
  if (!some.length) return clear("curves-plot");
  const panels = grouped(some, options.panels ? [options.panels] : []);
  const lines = SETTINGS.filter((key) => key !== options.panels);
  const known = grouped(runs, lines).map((group) => group.label);
  const { label, scale } = curveMetric(options.name);
  const share = scale === "share" && !options.log;
  const x = axis(options.against === "step" ? "optimizer steps" : "training sequences", { type: options.xlog ? "log" : "linear" });
  const y = axis(plain(label), { type: options.log ? "log" : "linear", ...(share ? { range: [-0.02, 1.03] } : {}) });
  const { layout, at } = panelled("curves-plot", panels.map((panel) => panel.label), x, y, { widest: 3, narrowest: 300 });
  const until = some.reduce((most, run) => curveOf(run, options.name, options.against).x.reduce((a, b) => Math.max(a, b), most), 0);
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
  draw("curves-plot", traces, { ...layout, height: layout.height - 34 + top, margin: { t: top }, legend, hovermode: "closest" }, label);
}

function curvesSay(options, all, drawn) {
  if (!all) return "No run that is shown has recorded this metric.";
  const capped = drawn < all ? ` Only the first ${drawn} of ${all} runs are drawn: filter the runs, or show the median.` : "";
  const bands = { quartiles: "Line: the median over the seeds of a setting; band: from the lower to the upper quartile.", range: "Line: the median over the seeds of a setting; band: from the lowest to the highest." };
  const held = options.hold && options.mode !== "single" ? " A run that has ended, as when it is solved, keeps its last value." : "";
  const lost = options.log || options.xlog ? " A value of 0 has no place on a log axis." : "";
  const stride = Math.max(...runs.map((run) => run.metrics.stride));
  const thinned = stride > 1 ? ` Thinned to keep the page small: up to every ${stride}th measurement and the last; metrics.csv has all.` : "";
  return (bands[options.mode] ?? "One line for each run.") + held + lost + thinned + capped;
}
