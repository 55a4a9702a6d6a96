import io

from rich.console import Console

from longlag.horizon.picture import save_horizons
from longlag.horizon.study_file import add_entries, read_entries
from longlag.horizon.table import print_horizons

TASKS = ("delayed_xor", "adding", "temporal_order", "two_sequence", "associative_recall", "embedded_reber")


def entry(setting, task, T=40, budget=1000):
    curve = [
        {"T": lag, "solved": 10, "trials": 10, "rate": 1.0, "rate_low": 0.72, "rate_high": 1.0} for lag in (10, 20, T)
    ]
    return {
        "setting": setting, "task": task, "words": [f"cell={setting}", f"task={task}"], "budget": budget, "rate": 0.9,
        "seeds": 10, "needed": 9, "first_seed": 0, "per_doubling": 4, "tune": "none", "tuned": {}, "horizon": T,
        "low": 30.0, "high": None, "credibility": 0.9, "curve": curve, "text": str(T), "interval": f"30–>{T}",
    }  # fmt: skip


def test_settings_and_tasks_in_80_columns():
    entries = [entry(setting, task, T) for setting, T in (("lstm", 40), ("gru forget_bias=3", 95)) for task in TASKS]
    out = io.StringIO()
    print_horizons(entries[:-1], Console(file=out, width=80))
    lines = out.getvalue().splitlines()
    assert max(map(len, lines)) <= 80
    heads = [line.split()[1:] for line in lines if line.startswith("setting")]
    assert [task for head in heads for task in head] == list(TASKS)
    assert len(heads) > 1
    assert lines[-1].split() == ["gru", "forget_bias=3", "95", "(30–>95)", "-"]  # the last search is missing


def test_an_entry_takes_the_place_of_the_same_search_alone(tmp_path):
    path = tmp_path / "horizon.json"
    add_entries(path, [entry("lstm", "adding"), entry("lstm", "adding", budget=2000)])
    again = {**entry("lstm", "adding", T=80), "words": ["task=adding", "cell=lstm"]}
    add_entries(path, [again])
    assert [(each["horizon"], each["budget"]) for each in read_entries(path)] == [(80, 1000), (40, 2000)]


def test_the_figure_of_several_tasks(tmp_path):
    drawn = save_horizons(
        [entry("lstm", "adding"), {**entry("gru", "latch"), "horizon": None, "low": None}], tmp_path / "a.png"
    )
    assert drawn.read_bytes().startswith(b"\x89PNG")
