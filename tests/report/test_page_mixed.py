"""The page about several studies, cells and budgets, in a true browser."""

import itertools

import pytest
from studies import make_run, of_cell

from longlag import compose
from longlag.metric import Metric
from longlag.report.curves import read_curves
from longlag.report.figures.groups import groups_of
from longlag.report.figures.training import training_curves
from longlag.report.page import build_page
from longlag.runs import read_study
from longlag.runs.error_flow_csv import ErrorFlowTable

LAGS = (5, 8, 12, 20)
#: study -> its budget, and the forget biases of its LSTM.
STUDIES = {"alpha": (100, (1.0,)), "beta": (40, (1.0,)), "gamma": (80, (0.0, 3.0))}


def make_studies(path):
    """Make runs of an LSTM and of an RNN: in alpha, one seed of two is solved; in beta none is; in gamma all are."""
    base = compose("logger=csv")
    for study, (budget, biases) in STUDIES.items():
        for T, (cell, bias), seed in itertools.product(LAGS, [("lstm", b) for b in biases] + [("rnn", None)], (0, 1)):
            settings = of_cell(base, cell, T, bias, seed, budget) | {"study": study}
            solved = study == "gamma" or (study == "alpha" and seed == 0)
            make_run(path / study / f"{cell}-T{T}-b{bias}-seed{seed}", settings, solved=solved)
    return [path / study for study in STUDIES]


@pytest.fixture(scope="module")
def built(tmp_path_factory):
    path = tmp_path_factory.mktemp("outputs")
    page = path / "report.html"
    page.write_text(build_page([run for study in make_studies(path) for run in read_study(study)]))
    return page


@pytest.fixture(scope="module")
def opened(chromium, built):
    page = chromium.open(built, width=1280)
    yield page
    assert page.complaints() == []
    page.close()


TRACES = "document.querySelector('#curves-plot').data.filter((trace) => trace.fill !== 'toself')"


def lines(page, panel):
    """name -> the steps of its line in the panel of this title."""
    notes = page.run("document.querySelector('#curves-plot').layout.annotations.slice(1).map(({text}) => text)")
    number = notes.index(f"<b>{panel}</b>")
    axis = "x" if number == 0 else f"x{number + 1}"
    return dict(page.run(f"{TRACES}.filter((trace) => trace.xaxis === '{axis}').map(({{name, x}}) => [name, x])"))


def test_solved_runs_alone_keep_their_last_value(opened):
    """A setting whose runs are all solved goes on to the end of the axis; any other ends where its runs end."""
    found = lines(opened, "lstm · T 5")
    assert {name: steps[-1] for name, steps in found.items()} == {
        "forget bias 1 · study alpha": 100,
        "forget bias 1 · study beta": 40,  # not one step beyond its budget
        "forget bias 0 · study gamma": 100,
        "forget bias 3 · study gamma": 100,
    }
    text = opened.text("#curves-says")
    assert "A solved or diverged run keeps its last value; the line of a setting with other runs ends where" in text


@pytest.mark.parametrize("name", ["val/acc", "early_gradient"])
def test_the_page_and_the_figures_draw_the_same_lines(opened, built, name):
    runs = read_curves([run for study in STUDIES for run in read_study(built.parent / study)])
    log = name == "early_gradient"
    figure = training_curves(groups_of(runs), "", Metric(name, name, scale="log" if log else "linear"))
    of_figure = [
        (line.get_xdata().tolist(), [10**y if log else y for y in line.get_ydata()])
        for axis in figure.axes
        for line in axis.lines
    ]
    opened.choose("curves-y", name)
    of_page = opened.run(f"{TRACES}.map(({{x, y}}) => [x, y])")
    opened.choose("curves-y", "val/acc")
    assert len(of_page) == len(of_figure) == 28
    for steps, values in of_figure:
        assert any(steps == x and values == pytest.approx(y, rel=1e-5) for x, y in of_page)


@pytest.mark.parametrize(
    ("state", "end"), [("solved", 100), ("diverged", 100), ("done", 40), ("interrupted", 40), ("failed", 40)]
)
def test_how_a_run_ended_decides_where_its_line_ends(chromium, tmp_path, state, end):
    base = compose("logger=csv")
    long = of_cell(base, "lstm", 5, 1.0, 0, 100)
    short = of_cell(base, "lstm", 8, 1.0, 0, 40)
    make_run(tmp_path / "s" / "long", long, solved=False)
    make_run(tmp_path / "s" / "short", short, solved=False, state=state)
    (tmp_path / "page.html").write_text(build_page(read_study(tmp_path / "s")))
    page = chromium.open(tmp_path / "page.html")
    page.choose("curves-panels", "")
    page.choose("curves-mode", "quartiles")
    (steps,) = page.run(f"{TRACES}.filter(({{name}}) => name.startsWith('T 8')).map(({{x}}) => x)")
    assert steps[-1] == end
    assert ("keeps its last value" in page.text("#curves-says")) == (end == 100)
    page.choose("curves-hold", "on")
    page.act("byId('curves-hold').checked = false; redraw()")
    (steps,) = page.run(f"{TRACES}.filter(({{name}}) => name.startsWith('T 8')).map(({{x}}) => x)")
    assert steps[-1] == 40
    page.close()


def test_cells_are_rows_and_lags_are_columns_of_panels_with_the_same_axes(opened):
    layout = opened.run("(({layout}) => layout)(document.querySelector('#curves-plot'))")
    titles = [note["text"] for note in layout["annotations"][1:]]
    assert titles == [f"<b>{cell} · T {T}</b>" for cell in ("lstm", "rnn") for T in LAGS]
    corners = [(round(note["y"], 3), round(note["x"], 3)) for note in layout["annotations"][1:]]
    assert len({y for y, _ in corners}) == 2
    assert [x for _, x in corners[:4]] == [x for _, x in corners[4:]] == sorted({x for _, x in corners})
    axes = {key: value for key, value in layout.items() if key.startswith(("xaxis", "yaxis"))}
    assert all(value.get("matches") == key[0] for key, value in axes.items() if len(key) > 5)
    drawn = opened.run("[...new Set(document.querySelector('#curves-plot').data.map(({xaxis}) => xaxis))].length")
    assert drawn == len(titles), "no panel is empty"
    legend = opened.run("[...document.querySelectorAll('#curves-plot .legendtext')].map((text) => text.textContent)")
    assert set(legend) == {
        "forget bias 0 · study gamma", "forget bias 1 · study alpha", "forget bias 1 · study beta",
        "forget bias 3 · study gamma", "rnn · study alpha", "rnn · study beta", "rnn · study gamma",
    }  # fmt: skip
    assert len(legend) == 7


def overlapping(page, selector):
    """The pairs of texts that cover each other."""
    boxes = page.run(
        f"[...document.querySelectorAll('{selector}')].map((one) => [one.textContent, one.getBoundingClientRect()])"
        ".map(([text, {left, right, top, bottom}]) => [text, left, right, top, bottom])"
    )
    return [
        (one, other)
        for (one, left, right, top, bottom), (other, *at) in itertools.combinations(boxes, 2)
        if left < at[1] and at[0] < right and top < at[3] and at[2] < bottom
    ]


@pytest.mark.parametrize("width", [1280, 420])
def test_no_title_covers_another(chromium, built, width):
    page = chromium.open(built, width=width)
    assert page.run("document.documentElement.scrollWidth") == width
    for plot in ("curves-plot", "flow-lines", "flow-maps"):
        assert overlapping(page, f"#{plot} .annotation-text, #{plot} .legendtext") == []
    assert overlapping(page, "#parallel-plot .xtick text") == []
    page.close()


def test_lags_that_cells_do_not_share_leave_no_holes(chromium, tmp_path):
    base = compose("logger=csv")
    for cell, lags in (("lstm", (60, 100)), ("rnn", (5, 8, 12))):
        for T, study in itertools.product(lags, ("one", "two")):
            settings = of_cell(base, cell, T, 1.0 if cell == "lstm" else None, 0) | {"study": study}
            make_run(tmp_path / study / f"{cell}{T}", settings, solved=True)
    (tmp_path / "page.html").write_text(
        build_page([run for study in ("one", "two") for run in read_study(tmp_path / study)])
    )
    page = chromium.open(tmp_path / "page.html", width=1280)
    notes = page.run("document.querySelector('#curves-plot').layout.annotations.slice(1)")
    places = {note["text"]: (note["x"], note["y"]) for note in notes}
    columns = sorted({x for x, _ in places.values()})
    assert len(columns) == 3
    assert [columns.index(places[f"<b>lstm · T {T}</b>"][0]) for T in (60, 100)] == [0, 1]
    page.close()


def test_a_row_of_the_solve_rates_is_named_by_its_cell(opened):
    names = opened.run("[...document.querySelectorAll('#rates-maps tbody th')].map((cell) => cell.innerText)")
    assert names == [
        "lstm · forget bias 1", "rnn", "lstm · forget bias 1", "rnn",
        "lstm · forget bias 0", "lstm · forget bias 3", "rnn",
    ]  # fmt: skip
    captions = opened.run("[...document.querySelectorAll('#rates-maps caption')].map((cell) => cell.innerText)")
    assert captions == ["study alpha", "study beta", "study gamma"]


def test_tasks_have_maps_of_their_own_even_where_the_lag_tells_the_task(chromium, tmp_path):
    for task, T in (("adding", 10), ("adding", 20), ("copy_memory", 5)):
        base = compose("logger=csv", f"task={task}")
        for cell in ("lstm", "rnn"):
            settings = of_cell(base, cell, T, 1.0 if cell == "lstm" else None, 0)
            make_run(tmp_path / "s" / f"{cell}{T}", settings, solved=True)
    (tmp_path / "page.html").write_text(build_page(read_study(tmp_path / "s")))
    page = chromium.open(tmp_path / "page.html")
    captions = page.run("[...document.querySelectorAll('#rates-maps caption')].map((cell) => cell.innerText)")
    assert captions == ["adding", "copy_memory"]
    assert page.complaints() == []
    page.close()


@pytest.mark.parametrize("share", [k / 20 for k in range(21)])
def test_the_ink_of_the_solve_rates_can_be_read(opened, share):
    ground, ink = opened.run(
        f"(({{ground, ink}}) => [ground.match(/\\d+/g).map(Number), ink])(cividis({share}))",
    )
    luminance = sum(
        weight * (c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4)
        for weight, c in zip((0.2126, 0.7152, 0.0722), (value / 255 for value in ground), strict=True)
    )
    light, dark = sorted((luminance, {"#000": 0.0, "#fff": 1.0}[ink]), reverse=True)
    assert (light + 0.05) / (dark + 0.05) > 4.5, "the contrast that WCAG 2 asks for"


def test_not_solved_is_said_and_never_done(opened):
    assert opened.text("#counts") == "56 of 56 runs ended: 32 solved, 24 not solved."
    assert opened.run("runs.some((run) => run.state === 'done')"), "the state keeps its word in the data"
    chips = opened.run("[...document.querySelectorAll('#filters .chip')].map((chip) => chip.innerText.trim())")
    assert {"solved", "not solved", "none (rnn)"} < set(chips)
    opened.choose("search", "not solved")
    assert opened.text("#shown-count").startswith("24 of 56 runs shown")
    opened.click("#filters-off")
    assert not opened.run(r"/\bdone\b|(^|\n)–($|\n)/.test(document.querySelector('main').innerText)")


def test_the_figures_of_the_error_flow_say_what_they_show(chromium, tmp_path):
    """Maps that end early have no gap, and a gap is named where there is one."""
    base = compose("logger=csv")
    made = [make_run(tmp_path / "s" / f"T{T}", of_cell(base, "lstm", T, 1.0, 0, 20 * T), solved=False) for T in (2, 4)]
    (tmp_path / "page.html").write_text(build_page(read_study(tmp_path / "s")))
    page = chromium.open(tmp_path / "page.html")
    ends = "Each map ends at the last measured step and at the longest lag of its run."
    assert page.text("#flow-maps-say") == f"The maps share one colour scale. {ends}"
    assert "at its last one" in page.text("#flow-says")
    page.act("runs[0].compareBox.click()")
    assert page.text("#flow-maps-say") == "", "one map alone has nothing to share"
    page.close()
    table = ErrorFlowTable(made[0].error_flow)
    for step in (0, 20, 40):
        table.add(step, 1, {"sequences": [16.0] * 2, "dh": [0.0, -30.0 if step else float("-inf")]})
    table.write()
    (tmp_path / "page.html").write_text(build_page(read_study(tmp_path / "s")))
    page = chromium.open(tmp_path / "page.html")
    page.choose("flow-quantity", "dh")
    text = page.text("#flow-maps-say")
    assert "Gaps within a map or a line are gradients of exactly 0." in text
    assert "Values below the scale have the darkest colour." in text
    page.choose("flow-decades", "0")
    assert "darkest" not in page.text("#flow-maps-say")
    page.close()
