// Start the page: draw the header and all sections, and redraw the sections after a change.

const SECTIONS = [drawTable, drawRates, drawCurves, drawFlow, drawParallel, drawDifferences];
let waiting = false;

function redrawNow() {
  waiting = false;
  SECTIONS.forEach((drawSection) => drawSection());
  document.body.dataset.drawn = String(Number(document.body.dataset.drawn ?? 0) + 1);
}

// Several changes at once are one redraw.
function redraw() {
  if (printing) return redrawNow(); // the print does not wait
  if (waiting) return undefined;
  waiting = true;
  return requestAnimationFrame(redrawNow);
}

function drawHeader() {
  const studies = [...new Set(runs.map((run) => run.study))];
  byId("title").textContent = studies.join(", ");
  const count = (state) => runs.filter((run) => run.state === state).length;
  const tell = (states) => states.filter(count).map((state) => `${count(state)} ${state === "gone" ? "running by their status with no process left" : stateName(state)}`).join(", ");
  const finished = ["solved", "done", "diverged"];
  const ended = runs.filter((run) => finished.includes(run.state)).length;
  const rest = tell(["running", "gone", "failed", "interrupted", "paused"]);
  byId("counts").textContent = `${ended} of ${runs.length} runs ended${ended ? `: ${tell(finished)}` : ""}${rest ? `; ${rest}` : ""}.`;
  const versions = Object.entries(page.versions).map(([name, met]) => `${name} ${met.join(" and ")}`).join(", ");
  byId("facts").textContent = `Made ${page.made.replace("T", " ").replace("+00:00", " UTC")} by longlag ${page.longlag}.${versions ? ` The runs: ${versions}.` : ""}${page.engines ? ` ${page.engines}` : ""}`;
  byId("footer").textContent = "The files in the run folders are the full record; this page is made from them by longlag report.";
}

function start() {
  drawHeader();
  startTheme(redraw);
  startTable(redraw);
  startFilters(redraw);
  startRates(() => drawRates());
  startCurves(() => drawCurves());
  startFlow(() => drawFlow());
  startDifferences();
  drawPrediction();
  let width = window.innerWidth;
  window.addEventListener("resize", () => {
    if (window.innerWidth !== width && !printing) redraw();
    width = window.innerWidth;
  });
  redrawNow();
}

start();
