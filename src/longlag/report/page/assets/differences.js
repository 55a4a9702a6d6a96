// The settings in which the chosen runs differ.

function settingRow(key, texts) {
  return element("tr", {}, element("th", { scope: "row", textContent: key }), ...texts.map((text) => element("td", { textContent: text })));
}

function startDifferences() {
  const rows = Object.entries(page.common).map(([key, text]) => settingRow(key, [text]));
  byId("common-table").append(element("tbody", {}, ...rows));
}

function drawDifferences() {
  const chosen = chosenRuns();
  const rows = page.config
    .map(({ key, values, of }) => [key, chosen.map((run) => (of[run.index] < 0 ? MISSING : values[of[run.index]]))])
    .filter(([, texts]) => new Set(texts).size > 1);
  const heading = element("tr", {}, element("th", { scope: "col", textContent: "setting" }), ...chosen.map((run) => element("th", { scope: "col", textContent: labels.get(run) })));
  byId("differences-table").replaceChildren(
    element("caption", { textContent: "One column for each chosen run; settings that all of them share are left out." }),
    ...(rows.length ? [element("thead", {}, heading), element("tbody", {}, ...rows.map(([key, texts]) => settingRow(key, texts)))] : []),
  );
  byId("differences-says").textContent = rows.length ? "" : chosen.length < 2 ? "Choose two runs or more: tick “compare” in the table of runs." : "The chosen runs have the same settings.";
}
