// Does the early gradient predict success? Computed over all runs when the page was made.

function interval(value, low, high) {
  if (value === null) return MISSING;
  return low === null ? value.toFixed(2) : `${value.toFixed(2)} (${low.toFixed(2)} to ${high.toFixed(2)})`;
}

function predictionRow(one) {
  const cells = [one.score, one.when, one.among, `${one.solved} of ${one.runs}`, one.pairs.toLocaleString("en")];
  const figures = [
    interval(one.auc, one.auc_low, one.auc_high), interval(one.rank_correlation, one.rank_low, one.rank_high),
    interval(one.time_correlation, one.time_low, one.time_high),
  ];
  return element("tr", {}, ...[...cells, ...figures].map((text, k) => element("td", { textContent: text, className: k > 2 ? "number" : "" })));
}

function drawPrediction() {
  const { sentences, rows, resamples } = page.prediction;
  byId("prediction-body").replaceChildren(element("p", { className: "sentences", textContent: sentences.join(" ") }));
  if (!rows.length) return;
  const names = ["score", "measured", "compared", "solved", "pairs", "AUC (95 % interval)", "rank correlation with solved", "rank correlation with the time to solve"];
  const heading = element("tr", {}, ...names.map((name) => element("th", { scope: "col", textContent: name })));
  const table = element("table", {}, element("thead", {}, heading), element("tbody", {}, ...rows.map(predictionRow)));
  byId("prediction-body").append(
    element("p", { className: "says", textContent: "The AUC is the share of pairs of a solved and an unsolved run in which the solved run has the higher score; chance gives 0.5. In brackets: the 95 % interval, where there is one." + ` The interval is from ${resamples.toLocaleString("en")} resamples.` }),
    element("div", { className: "wide-table", tabIndex: 0, role: "region", ariaLabel: "Predictions" }, table),
  );
}
