"""The page in a true browser, headless Chromium: what it draws, and what it does when it is used."""

import csv
import dataclasses
import json
import shutil
import statistics

import browser
import pytest
from studies import make_run, make_study

from longlag.metric import Metric
from longlag.report.page import build_page
from longlag.report.statistics.rates import censored_median, wilson
from longlag.runs import read_study
from longlag.runs.claim import Claim
from longlag.runs.error_flow_csv import read_error_flow

pytestmark = pytest.mark.skipif(browser.found() is None, reason=f"no browser: none of {', '.join(browser.NAMES)}")

LAGS, BIASES, SEEDS = (20, 60), (0.0, 1.0, 3.0), range(3)


@pytest.fixture(scope="module")
def study(tmp_path_factory):
    path = tmp_path_factory.mktemp("outputs") / "study"
    make_study(path, LAGS, BIASES, SEEDS)
    return path


@pytest.fixture(scope="module")
def built(study):
    path = study.parent / "report.html"
    path.write_text(build_page(read_study(study)))
    return path


#: Puts everything that a test may have used back to where it was when the page was opened.
RESET = """(() => {
  const used = [...document.querySelectorAll('main select, main input:not(#table input)')];
  window.untouched ??= used.map((at) => [at.value, at.checked]);
  byId('filters-off').click();
  used.forEach((at, k) => ([at.value, at.checked] = window.untouched[k]));
  runs.forEach((run) => (run.ticked = true));
  chosenByHand = null;
  sortedBy = { column: null, down: false };
  document.querySelectorAll('#table th[aria-sort]').forEach((heading) => heading.setAttribute('aria-sort', 'none'));
})()"""


@pytest.fixture(scope="module")
def opened(chromium, built):
    page = chromium.open(built)
    page.run(RESET)
    yield page
    page.close()


@pytest.fixture
def page(opened):
    opened.act(RESET)
    yield opened
    assert opened.complaints() == []
    assert opened.requests() == []


def written(chromium, path, *records):
    """Make and open a page of some runs."""
    path.write_text(build_page(records))
    return chromium.open(path)


def rates(page):
    """The map of solve rates: (row, column) -> the lines of the cell."""
    return {
        (row, column): text.split("\n")
        for row, column, text in page.run(
            "[...document.querySelectorAll('#rates-maps tbody tr')].flatMap((row) => [...row.cells].slice(1)"
            ".map((cell, k) => [row.cells[0], row.closest('table').tHead.rows[0].cells[k + 1], cell]"
            ".map((at) => at.innerText)))"
        )
    }


def rows(page):
    """The rows of the table of runs that are listed, as texts."""
    return page.run(
        "[...document.querySelectorAll('#table tbody tr')].filter((row) => !row.hidden)"
        ".map((row) => [...row.cells].slice(2).map((cell) => cell.innerText))"
    )


def solved_of(study, T, bias):
    runs = [
        run for run in read_study(study) if (run.config["task"]["T"], run.config["cell"]["forget_bias"]) == (T, bias)
    ]
    return sum(run.status.state == "solved" for run in runs), len(runs)


def test_the_page_opens_with_all_runs_and_every_section(page):
    assert page.run("document.title") == "study – longlag"
    assert len(rows(page)) == 18
    assert "18 of 18 runs ended" in page.text("#counts")
    drawn = page.run("[...document.querySelectorAll('.plot')].filter((plot) => plot.querySelector('.main-svg')).length")
    assert drawn == 4
    assert page.run("document.querySelectorAll('#prediction-body tbody tr').length") > 0


def test_nothing_can_be_asked_of_a_network(page):
    refused = page.run(
        "new Promise((tell) => { addEventListener('securitypolicyviolation', (e) => tell(e.effectiveDirective));"
        " fetch('https://longlag.invalid/').catch(() => 0); })"
    )
    assert refused == "connect-src"
    page.browser.messages.clear()  # of this, the page has complained


def test_no_button_sends_a_figure_away(page):
    titles = page.run("[...document.querySelectorAll('.modebar-btn')].map((button) => button.dataset.title)")
    assert set(titles) == {"Download plot as a PNG", "Zoom", "Pan", "Reset axes"}


def test_intervals_medians_and_quartiles_are_those_of_python(page):
    pairs = [(k, n) for n in (1, 2, 5, 10, 37, 100) for k in {0, 1, n // 3, n - 1, n}]
    found = page.run(f"{json.dumps(pairs)}.map(([k, n]) => wilson(k, n))")
    for (k, n), interval in zip(pairs, found, strict=True):
        assert interval == pytest.approx(wilson(k, n), abs=1e-12)
    for times, trials in (([60, 100, 20], 3), ([60, 100], 3), ([60], 2), ([], 4), ([10, 20, 30], 4)):
        median = page.run(f"String(censoredMedian({times}, {trials}))")
        known = censored_median(times, trials)
        assert median == ("Infinity" if known is None else f"{known:g}")
    values = [3.0, 1.0, 4.0, 1.5, 9.0, 2.6]
    found = page.run(f"[0.25, 0.5, 0.75].map((share) => quantile({values}, share))")
    assert found == pytest.approx(statistics.quantiles(values, method="inclusive"), abs=1e-12)


def test_the_map_shows_rates_intervals_and_censored_medians(page, study):
    found = rates(page)
    assert len(found) == len(LAGS) * len(BIASES)
    for T in LAGS:
        for bias in BIASES:
            solved, of = solved_of(study, T, bias)
            low, high = wilson(solved, of)
            median = censored_median([60.0] * solved, of)
            assert found[f"{bias:g}", f"T = {T}"] == [
                f"{solved}/{of}", f"{100 * low:.0f}–{100 * high:.0f} %", f"median {'>100' if median is None else '60'}",
            ]  # fmt: skip
    assert {lines[0] for lines in found.values()} > {"3/3"}  # and not all are solved


def test_the_map_takes_any_two_settings(page):
    page.choose("rates-y", "")
    captions = page.run("[...document.querySelectorAll('#rates-maps caption')].map((caption) => caption.innerText)")
    assert captions == [f"forget bias {bias:g}" for bias in BIASES]  # a map for each value of what else differs
    page.choose("rates-x", "forget_bias")
    page.choose("rates-y", "T")
    assert set(rates(page)) == {(str(T), f"forget bias = {bias:g}") for T in LAGS for bias in BIASES}
    page.choose("rates-time", "solved_sequences")
    assert "median 15,360" in {lines[2] for lines in rates(page).values()}


def test_hiding_a_run_changes_the_map_and_the_curves(page, study):
    before = rates(page)["3", "T = 20"][0]
    page.act("runs.find((run) => run.values.T === 20 && run.values.forget_bias === 3).showBox.click()")
    assert (before, rates(page)["3", "T = 20"][0]) == ("3/3", "2/2")
    assert page.text("#shown-count") == "17 of 18 runs shown"
    said = page.run("document.querySelector('#curves-plot').data.map((trace) => trace.text?.[0] ?? '')")
    assert [text.split("<br>")[1].split(":")[0] for text in said if text.startswith("forget bias 3")] == [
        "median of 2", "median of 3",
    ]  # fmt: skip
    page.click("#show-all")
    assert rates(page)["3", "T = 20"][0] == "3/3"


def test_filters_by_value_and_by_text_follow_everywhere(page):
    page.act("[...document.querySelectorAll('#filters input')].find((box) => box.value === '60').click()")
    assert {row[2] for row in rows(page)} == {"20"}
    assert {column for _, column in rates(page)} == {"T = 20"}
    panels = page.run("document.querySelector('#curves-plot').layout.annotations.map((note) => note.text)")
    assert [text for text in panels if "T " in text] == ["<b>T 20</b>"]
    page.choose("search", "bias 1 seed 2")
    assert [row[2:5] for row in rows(page)] == [["20", "1", "2"]]
    page.choose("search", "nothing like it")
    assert rows(page) == []
    assert page.text("#rates-maps") == "No run is shown."
    page.click("#filters-off")
    assert len(rows(page)) == 18


def test_all_of_the_filtered_are_hidden_at_once(page):
    page.choose("search", "bias 3")
    page.click("#show-none")
    page.click("#filters-off")
    assert page.text("#shown-count") == "12 of 18 runs shown"
    assert {row for row, _ in rates(page)} == {"0", "1"}


def test_a_heading_sorts_both_ways_and_says_so(page):
    names = page.run("[...document.querySelectorAll('#table th[aria-sort] button')].map((button) => button.innerText)")
    column = names.index("early gradient at start")
    heading = f"#table th[aria-sort]:nth-child({column + 3})"
    page.click(f"{heading} button")
    values = [float(row[column]) for row in rows(page)]
    assert values == sorted(values)
    assert len(set(values)) > 10
    assert page.run(f"document.querySelector('{heading}').ariaSort") == "ascending"
    page.click(f"{heading} button")
    assert [float(row[column]) for row in rows(page)] == sorted(values, reverse=True)
    assert page.run(f"document.querySelector('{heading}').ariaSort") == "descending"
    assert page.run("document.querySelectorAll('#table th[aria-sort=none]').length") == len(names) - 1


def test_the_time_to_solve_sorts_unsolved_runs_last(page):
    names = page.run("[...document.querySelectorAll('#table th[aria-sort] button')].map((button) => button.innerText)")
    column = names.index("solved at step")
    page.click(f"#table th[aria-sort]:nth-child({column + 3}) button")
    texts = [row[column] for row in rows(page)]
    assert texts == sorted(texts, key=lambda text: text == ">100")
    assert set(texts) == {"60", ">100"}


def test_the_band_is_the_median_and_the_quartiles_over_seeds(page, study):
    page.choose("curves-y", "early_gradient")
    trace = page.run(
        "(() => { const t = document.querySelector('#curves-plot').data.filter((t) => t.name === 'forget bias 0')[0];"
        " return {x: t.x, y: t.y, type: document.querySelector('#curves-plot').layout.yaxis.type}; })()"
    )
    assert trace["type"] == "log"
    runs = [r for r in read_study(study) if (r.config["task"]["T"], r.config["cell"]["forget_bias"]) == (20, 0.0)]
    curves = []
    for run in runs:
        with run.folder.metrics.open() as file:
            curves.append({int(row["step"]): float(row["early_gradient"]) for row in csv.DictReader(file)})
    last = [curve[max(curve)] for curve in curves]  # an ended run keeps its last value
    wanted = [statistics.median(c.get(step, end) for c, end in zip(curves, last, strict=True)) for step in trace["x"]]
    assert trace["y"] == pytest.approx(wanted, rel=1e-6)  # float32
    assert trace["x"][0] == 0


def test_single_runs_are_drawn_and_capped(page):
    page.choose("curves-mode", "single")
    assert page.run("document.querySelector('#curves-plot').data.length") == 18
    assert "Only the first" not in page.text("#curves-says")
    page.choose("curves-x", "sequences")
    assert max(page.run("document.querySelector('#curves-plot').data.flatMap((trace) => trace.x)")) == 25_600


def test_chosen_runs_appear_in_the_error_flow(page, study):
    assert page.run("document.querySelectorAll('#flow-chosen button').length") == 4  # of four settings
    page.act("chosenRuns().forEach((run) => run.compareBox.click())")
    assert page.run("document.querySelectorAll('#flow-chosen button').length") == 0
    assert page.text("#flow-says").startswith("No run is chosen")
    page.act(
        "runs.find(({ values }) => values.T === 60 && values.forget_bias === 1 && values.seed === 2).compareBox.click()"
    )
    assert page.text("#flow-chosen").startswith("T 60 · forget bias 1 · seed 2")
    (run,) = [r for r in read_study(study) if r.folder.path.name.startswith("lstm-delayed_xor-T60-b1-seed2")]
    whole = read_error_flow(run.folder.error_flow)
    lines = page.run("document.querySelector('#flow-lines').data.map(({x, y, line}) => ({x, y, dash: line.dash}))")
    assert [line["dash"] for line in lines] == ["solid", "dash"]
    for line, name in zip(lines, ("dc", "dc_direct"), strict=True):
        assert line["x"] == list(range(60))
        assert line["y"] == pytest.approx(whole[0, 1][name], rel=1e-6)  # float32
    steps = page.run("document.querySelector('#flow-maps').data[0].y")
    page.choose("flow-step", str(len(steps) - 1))
    end = page.run("document.querySelector('#flow-lines').data[0].y")
    assert end == pytest.approx(whole[steps[-1], 1]["dc"], rel=1e-6)
    page.choose("flow-quantity", "dx")
    z = page.run("document.querySelector('#flow-maps').data[0].z")
    for row, step in zip(z, steps, strict=True):
        assert row == pytest.approx(whole[step, 1]["dx"], rel=1e-6)


def test_no_more_runs_are_compared_than_can_be_told_apart(page):
    page.act("runs.forEach((run) => { if (!run.compareBox.checked) { choose(run, true); } }); redraw()")
    assert page.run("document.querySelectorAll('#flow-chosen button').length") == 8
    colours = page.run("document.querySelector('#flow-lines').data.map((trace) => trace.line.color)")
    assert len(set(colours)) == 8
    assert "No more than 8 runs are compared" in page.text("#flow-says")
    page.act("chosenRuns()[0].compareBox.click()")
    assert "No more than" not in page.text("#flow-says")


def test_the_maps_of_the_error_flow_share_one_scale(page):
    shared = page.run("document.querySelector('#flow-maps').data.map((trace) => trace.coloraxis)")
    assert shared == ["coloraxis"] * 4
    bar = page.run("(({cmin, cmax}) => [cmin, cmax])(document.querySelector('#flow-maps').layout.coloraxis)")
    finite = page.run("document.querySelector('#flow-maps').data.flatMap((t) => t.z.flat()).filter(Number.isFinite)")
    assert bar == [pytest.approx(max(min(finite), max(finite) - 20)), pytest.approx(max(finite))]


def test_only_settings_that_differ_are_in_the_table_of_differences(page):
    names = page.run("[...document.querySelectorAll('#differences-table tbody th')].map((cell) => cell.innerText)")
    assert names == ["cell.forget_bias", "task.T"]
    page.act(
        "chosenByHand = new Set(runs.filter((run) => run.values.T === 20 && run.values.forget_bias === 1)); redraw()"
    )
    names = page.run("[...document.querySelectorAll('#differences-table tbody th')].map((cell) => cell.innerText)")
    assert names == ["seed"]
    assert page.run("document.querySelectorAll('#common-table tr').length") > 20


def test_parallel_coordinates_have_a_line_a_run(page):
    data = page.run("document.querySelector('#parallel-plot').data.map(({name, x, text}) => ({name, x, text}))")
    lines = {trace["name"]: trace["x"].count(None) for trace in data}
    solved = sum(row[5] == "● solved" for row in rows(page))
    assert lines == {"solved": solved, "ended, not solved": 18 - solved}


def test_the_theme_follows_the_system_and_toggles(chromium, built):
    page = chromium.open(built, dark=True)
    ground = "getComputedStyle(document.body).backgroundColor"
    assert page.run(ground) == "rgb(20, 23, 27)"
    ink = page.run("document.querySelector('#curves-plot').layout.font.color")
    page.click("#theme")
    assert page.run(ground) == "rgb(255, 255, 255)"
    assert page.run("document.querySelector('#curves-plot').layout.font.color") != ink  # the figures follow
    assert page.complaints() == []
    page.close()


def test_print_is_light_and_fits_and_gives_the_theme_back(chromium, built, tmp_path):
    page = chromium.open(built, dark=True)
    page.run(
        "addEventListener('beforeprint', () => { window.printed = [document.documentElement.dataset.theme,"
        " document.querySelector('#curves-plot').layout.width]; })"
    )
    page.print(tmp_path / "page.pdf")
    assert page.run("window.printed") == ["light", 690]
    assert page.run("document.documentElement.dataset.theme") == "dark"
    assert page.run("document.querySelector('#curves-plot').layout.width") > 1000
    assert (tmp_path / "page.pdf").read_bytes().startswith(b"%PDF")
    assert page.complaints() == []
    page.close()


@pytest.mark.parametrize("width", [1440, 700])
def test_the_page_fits_its_window(chromium, built, width):
    page = chromium.open(built, width=width)
    assert page.run("document.documentElement.scrollWidth") == width
    page.close()


def test_everything_is_reached_by_keyboard_and_has_a_name(page):
    nameless = page.run(
        "[...document.querySelectorAll('main input, main select, main button, header button')].filter((at) =>"
        " !(at.labels?.length || at.ariaLabel || at.innerText || at.title)).map((at) => at.outerHTML)"
    )
    assert nameless == []
    page.run("document.querySelector('#table th[aria-sort] button').focus()")
    for kind in ("keyDown", "keyUp"):
        page.call("Input.dispatchKeyEvent", type=kind, key="Enter", code="Enter", windowsVirtualKeyCode=13, text="\r")
    assert page.run("document.querySelector('#table th[aria-sort]').ariaSort") == "ascending"


def test_a_live_study_with_names_full_of_markup(chromium, tmp_path):
    """States as they are, and no text of a run is ever run."""
    attack = "<b>bold</b></script><script>window.hacked = 1</script><img src=x onerror='window.hacked = 1'>"
    folders = make_study(tmp_path / "live", lags=(8,), biases=(0.0, 1.0, 3.0), seeds=[0, 1])
    settings = folders[0].read_config() | {"run": {**folders[0].read_config()["run"], "cell": attack, "seed": 7}}
    make_run(tmp_path / "live" / "<img src=x onerror=hacked()>", settings, flow=True)
    for folder, change in zip(
        folders,
        ({"state": "running"}, {"state": "running"}, {"state": "failed", "reason": attack}, {"state": "interrupted"}),
        strict=False,
    ):  # fmt: skip
        folder.write_status(dataclasses.replace(folder.read_status(), **change))
        (folder.path / "summary.json").unlink()
    folders[-1].write_metric_declarations([Metric("early_gradient", attack), Metric("acc", attack)])
    with Claim(folders[0].path):
        page = written(chromium, tmp_path / "report.html", *read_study(tmp_path / "live"))
    counts = page.text("#counts")
    assert counts.startswith("3 of 7 runs ended")
    assert counts.endswith("; 1 running, 1 running by their status with no process left, 1 failed, 1 interrupted.")
    states = {row[5].split()[-1] for row in rows(page)}
    assert states >= {"running", "gone", "failed", "interrupted"}
    page.act("runs.forEach((run) => choose(run, true)); redraw()")
    legend = page.run(
        "[...document.querySelectorAll('#flow-lines .legendtext')].map((text) => text.textContent).join()"
    )
    assert attack in legend
    page.choose("curves-mode", "single")
    page.choose("curves-y", "early_gradient")
    assert page.run("document.querySelector('#curves-plot .ytitle').textContent") == attack
    assert page.run("typeof window.hacked") == "undefined"
    assert page.run("document.querySelectorAll('img').length") == 0
    assert (page.complaints(), page.requests()) == ([], [])
    page.close()


def test_one_run_without_curves_is_a_page(chromium, tmp_path):
    (folder,) = make_study(tmp_path / "one", lags=(8,), biases=(1.0,), seeds=[0], flow=False)
    folder.metrics.unlink()
    page = written(chromium, tmp_path / "report.html", *read_study(tmp_path / "one"))
    assert len(rows(page)) == 1
    assert page.text("#curves-says") == "No run that is shown has recorded this metric."
    assert "recorded no error flow" in page.text("#flow-says")
    assert page.complaints() == []
    page.close()


@pytest.mark.slow
def test_a_thousand_runs_load_and_filter(chromium, tmp_path):
    """Twenty settings, each made once and copied to fifty seeds."""
    made = make_study(tmp_path / "made", (20, 40, 60, 80), (-1.0, 0.0, 1.0, 3.0, 5.0), seeds=[0])
    for folder in made:
        for seed in range(50):
            copy = tmp_path / "many" / folder.path.name.replace("seed0", f"seed{seed}")
            shutil.copytree(folder.path, copy)
            config = copy / "config.yaml"
            config.write_text(config.read_text().replace("seed: 0\n", f"seed: {seed}\n"))
    page = written(chromium, tmp_path / "report.html", *read_study(tmp_path / "many"))
    assert (tmp_path / "report.html").stat().st_size < 13_000_000  # 4.8 MB of it are Plotly
    assert len(rows(page)) == 1000
    assert (
        page.run("(() => { const start = performance.now(); redrawNow(); return performance.now() - start; })()")
        < 10_000
    )
    page.choose("search", "seed 4")  # and not 40 to 49
    assert {lines[0].split("/")[1] for lines in rates(page).values()} == {"1"}
    page.click("#filters-off")
    page.choose("curves-mode", "single")
    assert page.run("document.querySelector('#curves-plot').data.length") == 60
    assert "Only the first 60 of 1000 runs are drawn" in page.text("#curves-says")
    assert page.complaints() == []
    page.close()
