// Which runs are listed: a text, and boxes for the values of the settings and the states.

const MOST_BOXES = 14;
const filters = [];

// A filter by one property: { passes(run), reset() }; boxes for a few values, a list for many.
function valueFilter(label, values, of, update) {
  const group = element("fieldset", {}, element("legend", { textContent: label }));
  const allowed = new Set(values);
  if (values.length > MOST_BOXES) {
    const select = element("select", { "aria-label": label });
    fill(select, [["", "all"], ...values.map((value) => [value, value])], "");
    select.addEventListener("change", update);
    group.append(select);
    return { group, passes: (run) => select.value === "" || of(run) === select.value, reset: () => (select.value = "") };
  }
  const boxes = values.map((value) => {
    const box = element("input", { type: "checkbox", checked: true, value });
    box.addEventListener("change", () => {
      if (box.checked) allowed.add(value);
      else allowed.delete(value);
      update();
    });
    group.append(element("label", { className: "chip" }, box, element("span", { textContent: value })));
    return box;
  });
  const reset = () => boxes.forEach((box) => ((box.checked = true), allowed.add(box.value)));
  return { group, passes: (run) => allowed.has(of(run)), reset };
}

// What finds a phrase from the start of a word on; "seed 7" does not find "seed 70". null for no phrase.
function phrasePattern(text) {
  const phrase = text.trim().replace(/\s+/g, " ").replace(/[.*+?^${}()|[\]\\]/g, "\\$&");
  return phrase ? new RegExp(`(?<![\\w.-])${phrase}${/\d$/.test(phrase) ? "(?![\\w.])" : ""}`, "i") : null;
}

function startFilters(update) {
  const properties = [
    ["study", (run) => run.study, [...new Set(runs.map((run) => run.study))]],
    ...SETTINGS.filter((key) => key !== "study").map(settingOf).map(({ key, label }) => [label, (run) => valueText(key, run.values[key]), distinct(runs, key).map((value) => valueText(key, value))]),
    ["state", (run) => stateName(run.state), Object.keys(STATES).filter((state) => runs.some((run) => run.state === state)).map(stateName)],
  ];
  for (const [label, of, values] of properties) {
    if (values.length < 2) continue;
    const made = valueFilter(label, values, of, apply);
    byId("filters").append(made.group);
    filters.push(made);
  }
  const search = byId("search");
  function apply() {
    const phrases = search.value.split(",").map(phrasePattern).filter(Boolean);
    for (const run of runs) {
      run.listed = phrases.every((phrase) => phrase.test(run.searched)) && filters.every((filter) => filter.passes(run));
    }
    update();
  }
  const tickListed = (on) => {
    runs.filter((run) => run.listed).forEach((run) => (run.ticked = on));
    update();
  };
  search.addEventListener("input", apply);
  byId("show-all").addEventListener("click", () => tickListed(true));
  byId("show-none").addEventListener("click", () => tickListed(false));
  byId("filters-off").addEventListener("click", () => {
    search.value = "";
    filters.forEach((filter) => filter.reset());
    apply();
  });
}
