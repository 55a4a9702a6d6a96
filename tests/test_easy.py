"""A small LSTM learns an easy setting of every task, by the criterion of the task itself."""

from pathlib import Path

import pytest

from longlag.runs import read_study
from longlag.settings.compose import conf_dir

NAMES = sorted(path.stem for path in (conf_dir() / "experiment" / "easy").glob("*.yaml"))
LONG = ("adding_sum", "associative_recall", "modular_arithmetic")  # a quarter of a minute and more


@pytest.mark.slow
@pytest.mark.parametrize(
    "name", [pytest.param(name, marks=pytest.mark.long) if name in LONG else name for name in NAMES]
)
def test_an_lstm_learns_it(longlag, name):
    assert longlag("train", f"experiment=easy/{name}", "seed=0", "logger=csv").code == 0
    (run,) = read_study(Path("outputs/easy"))
    assert run.status.state == "solved"
    assert run.summary["test/acc"] > 0.9
