// The error flow of the chosen runs: the gradient against the lag at one step, and maps of lag × step.

const QUANTITIES = { dh: "‖dL/dh_t‖", dx: "‖dL/dx_t‖", dc: "‖dL/dc_t‖" };
const LAG = "lag (steps back from the last target)";

// The error flow of a layer: steps, lags, and of each quantity its log10 as [step][lag].
function flowOf(run, layer) {
  const stored = run.flow[layer];
  if (stored === undefined) return null;
  const [steps, lags] = [unpacked(stored.steps), unpacked(stored.lags)];
  const table = (name) => {
    if (name === null || !(name in stored)) return null;
    const flat = unpacked(stored[name]);
    return steps.map((_, k) => flat.slice(k * lags.length, (k + 1) * lags.length));
  };
  return { steps, lags, table, of: stored.of };
}

function startFlow(update) {
  const layers = [...new Set(runs.flatMap((run) => Object.keys(run.flow)))].sort();
  fill(byId("flow-layer"), layers.map((layer) => [layer, layer]), layers[0] ?? "");
  byId("flow-layers").hidden = layers.length < 2;
  byId("flow-controls").hidden = !layers.length;
  const known = Object.keys(QUANTITIES).filter((name) => runs.some((run) => Object.values(run.flow).some((layer) => name in layer)));
  fill(byId("flow-quantity"), known.map((name) => [name, QUANTITIES[name]]), firstQuantity(known));
  for (const id of ["quantity", "layer", "direct", "decades"]) byId(`flow-${id}`).addEventListener("change", update);
  byId("flow-step").addEventListener("input", drawFlowLines);
}

// The gradient of c if all runs have one, because its direct path is of interest; else the first quantity.
function firstQuantity(known) {
  const all = (name) => runs.every((run) => Object.values(run.flow).every((layer) => name in layer));
  return known.includes("dc") && all("dc") ? "dc" : known[0] ?? "";
}

function flowRuns() {
  const layer = byId("flow-layer").value;
  return chosenRuns().map((run) => ({ run, flow: flowOf(run, layer) })).filter(({ flow }) => flow !== null);
}

// The index of the last measurement up to a step.
function measuredAt(flow, step) {
  let k = 0;
  while (k + 1 < flow.steps.length && flow.steps[k + 1] <= step) k++;
  return k;
}

// A row of log10 values; -inf, a gradient of exactly 0, has no place on the axis.
function drawable(row) {
  return row.map((value) => (Number.isFinite(value) ? value : null));
}

// The name of a quantity along the direct path; null where there is none. Where h is the memory, dc_direct holds that of h.
function directOf(run, name) {
  const layer = run.flow[byId("flow-layer").value] ?? {};
  const direct = name === "dh" ? "dc_direct" : `${name}_direct`;
  return direct in layer && !(name === "dh" && "dc" in layer) ? direct : null;
}

function flowSteps() {
  return [...new Set(flowRuns().flatMap(({ flow }) => flow.steps))].sort((a, b) => a - b);
}

function drawFlowLines() {
  const steps = flowSteps();
  const slider = byId("flow-step");
  slider.max = Math.max(0, steps.length - 1);
  const step = steps[Math.min(Number(slider.value), steps.length - 1)] ?? 0;
  byId("flow-at").textContent = `${short(step, 6)}${step === steps[0] ? " (before training)" : ""}`;
  const name = byId("flow-quantity").value;
  const direct = byId("flow-direct").checked && flowRuns().some(({ run }) => directOf(run, name) !== null);
  const traces = flowRuns().flatMap(({ run, flow }, k) => {
    const at = measuredAt(flow, step);
    const look = { color: palette()[k % 8], width: 2.2 };
    const label = plain(labels.get(run));
    const lineFor = (quantity, dash, shown) => {
      const values = flow.table(quantity);
      if (values === null) return [];
      return [{
        x: flow.lags, y: drawable(values[at]), mode: "lines+markers", line: { ...look, dash },
        marker: { symbol: k, size: 7, color: look.color, maxdisplayed: 8 }, name: label, legendgroup: label, showlegend: shown,
        text: flow.lags.map(() => `${label}<br>${quantity.endsWith("direct") ? "direct path" : "all paths"}, step ${flow.steps[at]}`),
        hovertemplate: "%{text}<br>lag %{x}: 10^%{y:.2f}<extra></extra>",
      }];
    };
    return [...lineFor(name, "solid", true), ...(direct ? lineFor(directOf(run, name), "dash", false) : [])];
  });
  if (!traces.length) return clear("flow-lines");
  const y = axis(`log10 ${QUANTITIES[name]}`, { zeroline: false });
  const { legend, top } = legendAbove("flow-lines", flowRuns().map(({ run }) => labels.get(run)), 380);
  const heading = { text: `at optimizer step ${byId("flow-at").textContent}${direct ? "; dashed: the direct path" : ""}`, xref: "paper", yref: "paper", x: 1, y: 1, xanchor: "right", yanchor: "bottom", showarrow: false, font: { size: 13, color: colour("quiet") } };
  draw("flow-lines", traces, { xaxis: axis(LAG, { zeroline: false }), yaxis: y, height: 380 + top, margin: { t: top }, annotations: [heading], legend, showlegend: true }, `${QUANTITIES[name]} against the lag`);
}

function drawFlowMaps() {
  const name = byId("flow-quantity").value;
  const flows = flowRuns().map(({ run, flow }) => ({ run, flow, table: flow.table(name) })).filter(({ table }) => table !== null);
  byId("flow-maps-say").textContent = "";
  if (!flows.length) return clear("flow-maps");
  const finite = flows.flatMap(({ table }) => table.flat()).filter(Number.isFinite);
  const highest = finite.length ? finite.reduce((a, b) => Math.max(a, b)) : 0;
  const lowest = finite.length ? finite.reduce((a, b) => Math.min(a, b)) : -1;
  const decades = Number(byId("flow-decades").value);
  const floor = decades ? Math.max(lowest, highest - decades) : lowest;
  byId("flow-maps-say").textContent = mapsSay(flows, lowest < floor);
  const { layout, room, at } = panelled("flow-maps", flows.map(({ run }) => ({ label: labels.get(run) })), axis(LAG), axis("optimizer steps"), { height: 230, narrowest: 240, beside: 150 });
  const traces = flows.map(({ run, flow, table }, k) => ({
    type: "heatmap", ...at(k), x: flow.lags, y: flow.steps, z: table.map(drawable), coloraxis: "coloraxis", hoverongaps: false,
    hovertemplate: `${plain(labels.get(run))}<br>lag %{x}, step %{y}: 10^%{z:.2f}<extra></extra>`,
  }));
  const bar = { title: { text: `log10 ${QUANTITIES[name]}`, side: "right" }, thickness: 12, len: 1, outlinewidth: 0 };
  draw("flow-maps", traces, { ...layout, height: layout.height + 16, margin: { t: 50 + room, r: 86 }, coloraxis: { colorscale: "Cividis", cmin: floor, cmax: highest, colorbar: bar } }, `${QUANTITIES[name]} over lag and training step`);
}

function drawFlow() {
  const chosen = chosenRuns();
  byId("flow-chosen").replaceChildren(...chosen.map((run) => {
    const button = element("button", { type: "button", className: "chip", textContent: `${labels.get(run)} ×`, "aria-label": `compare no longer ${labels.get(run)}` });
    button.addEventListener("click", () => run.compareBox.click());
    return button;
  }));
  const without = chosen.filter((run) => !flowRuns().some((one) => one.run === run)).length;
  drawFlowLines();
  drawFlowMaps();
  byId("flow-says").textContent = flowSays(chosen.length, without);
}

function flowSays(chosen, without) {
  if (!chosen) return "No run is chosen: tick “compare” in the table of runs.";
  if (without === chosen) return "The chosen runs have recorded no error flow (error_flow.csv).";
  const thinned = flowRuns().some(({ flow }) => flow.of[0] > flow.steps.length || flow.of[1] > flow.lags.length);
  const size = flowRuns().map(({ flow }) => `${flow.steps.length} of ${flow.of[0]} steps × ${flow.lags.length} of ${flow.of[1]} lags`)[0];
  const apart = severalValues(flowRuns().map(({ flow }) => flow.steps.at(-1)));
  return "Mean over the probe sequences of the log of each norm."
    + (apart ? " The lines show a run that has no later measurement at its last one." : "")
    + (chosen === MOST_CHOSEN ? ` No more than ${MOST_CHOSEN} runs are compared: one more takes the place of the first.` : "")
    + (without ? ` ${without} of the chosen runs recorded no error flow.` : "")
    + (thinned ? ` Thinned evenly to keep the page small (${size} in the first run); error_flow.csv has all, with quantiles.` : " error_flow.csv has quantiles too.");
}

function severalValues(values) {
  return new Set(values).size > 1;
}

// What the maps show, and no more: darkest values, gaps, and where a map ends, if there are any.
function mapsSay(flows, darkest) {
  const inside = (value) => flows.some(({ table }) => table.some((row) => row.some((one) => Object.is(one, value))));
  const gaps = [...(inside(-Infinity) ? ["gradients of exactly 0"] : []), ...(inside(NaN) ? ["values that were not measured"] : [])];
  const ends = [
    ...(severalValues(flows.map(({ flow }) => flow.steps.at(-1))) ? ["the last measured step"] : []),
    ...(severalValues(flows.map(({ flow }) => flow.lags.at(-1))) ? ["the longest lag"] : []),
  ];
  return [
    flows.length > 1 ? "The maps share one colour scale." : "",
    darkest ? "Values below the scale have the darkest colour." : "",
    gaps.length ? `Gaps within a map or a line are ${gaps.join(" or ")}.` : "",
    ends.length ? `Each map ends at ${ends.join(" and at ")} of its run.` : "",
  ].filter(Boolean).join(" ");
}
