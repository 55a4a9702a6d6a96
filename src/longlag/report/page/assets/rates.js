// Solve rates: a map over two settings, for each value of the other settings. Each row belongs to one cell.

function startRates(update) {
  const keys = SETTINGS.length ? SETTINGS : ["T"];
  const x = keys.includes("T") ? "T" : keys[0];
  const y = ["forget_bias", ...keys].find((key) => keys.includes(key) && key !== x) ?? "";
  const options = [["", "nothing"], ...VARYING.map(({ key, label }) => [key, label])];
  fill(byId("rates-x"), options, VARYING.some(({ key }) => key === x) ? x : "");
  fill(byId("rates-y"), options, y);
  for (const id of ["rates-x", "rates-y", "rates-time"]) byId(id).addEventListener("change", update);
  byId("rates-ramp").style.background = `linear-gradient(90deg, ${CIVIDIS.join(",")})`;
}

// The solve rate and the median time of some runs; null if no run has ended.
function rateOf(some, time) {
  const counted = some.filter((run) => run.counts);
  if (!counted.length) return null;
  const times = counted.map((run) => run.figures[time]).filter((value) => value !== undefined);
  const solved = counted.filter((run) => run.figures.solved_step !== undefined).length;
  const median = censoredMedian(times, counted.length);
  const spent = Math.max(...counted.map((run) => run.figures[time === "solved_step" ? "steps" : "sequences"] ?? 0));
  const text = Number.isFinite(median) ? short(median, 6) : spent ? `>${short(spent, 6)}` : MISSING;
  return { solved, of: counted.length, interval: wilson(solved, counted.length), median: text };
}

function percent(share) {
  return `${Math.round(100 * share)}`;
}

function cellOf(some, time, unit) {
  const rate = rateOf(some, time);
  if (rate === null) return element("td", { className: "none", textContent: some.length ? "none ended" : "" });
  const [low, high] = rate.interval;
  const { ground, ink } = cividis(rate.solved / rate.of);
  const cell = element(
    "td",
    { className: "rate", title: `${rate.solved} of ${rate.of} solved; with 95 % confidence the rate is between ${percent(low)} and ${percent(high)} %; median time to solve ${rate.median} ${unit}` },
    element("b", { textContent: `${rate.solved}/${rate.of}` }),
    element("span", { textContent: `${percent(low)}–${percent(high)} %` }),
    element("span", { textContent: `median ${rate.median}` }),
  );
  cell.style.background = ground;
  cell.style.color = ink;
  return cell;
}

// The name of a row: the value of the one setting that goes down, or a label with the cell in it.
function rowName(keys, group) {
  if (!keys.length) return "all";
  return keys.length > 1 ? group.label : valueText(keys[0], group.values[0]);
}

function mapOf(label, some, x, down, time, unit) {
  const across = x ? distinct(some, x) : [null];
  const heading = element("tr", {}, element("th", { scope: "col", className: "corner", textContent: down.length === 1 ? settingOf(down[0]).label : "" }));
  heading.append(...across.map((value) => element("th", { scope: "col", textContent: x ? `${settingOf(x).label} = ${valueText(x, value)}` : "all" })));
  const body = element("tbody");
  for (const group of grouped(some, down)) {
    const line = element("tr", {}, element("th", { scope: "row", textContent: rowName(down, group) }));
    for (const column of across) {
      const here = group.runs.filter((run) => !x || textOf(run.values[x]) === textOf(column));
      line.append(cellOf(here, time, unit));
    }
    body.append(line);
  }
  const caption = element("caption", { textContent: label || "All runs that are shown" });
  return element("div", { className: "map" }, element("table", {}, caption, element("thead", {}, heading), body));
}

function drawRates() {
  const [x, time] = [byId("rates-x").value, byId("rates-time").value];
  const y = byId("rates-y").value === x ? "" : byId("rates-y").value;
  const unit = time === "solved_step" ? "optimizer steps" : "training sequences";
  const byCell = x !== "cell" && y !== "cell" && distinct(runs, "cell").length > 1;
  const down = [byCell ? "cell" : "", y].filter(Boolean);
  const axes = [x, ...down].filter(Boolean);
  const task = !axes.includes("task") && distinct(runs, "task").length > 1 ? ["task"] : []; // named even if T tells it
  const others = [...task, ...refining(runs, SETTINGS.filter((key) => ![...axes, ...task].includes(key)), [...axes, ...task])];
  const groups = grouped(shownRuns(), others);
  byId("rates-maps").replaceChildren(...groups.map((group) => mapOf(group.label, group.runs, x, down, time, unit)));
  if (!groups.length) byId("rates-maps").append(element("p", { className: "empty", textContent: "No run is shown." }));
}
