"""A small LSTM learns an easy setting of every task, by the criterion of the task itself."""

from pathlib import Path

import pytest

from longlag.runs import read_study
from longlag.settings.compose import conf_dir

NAMES = sorted(path.stem for path in (conf_dir() / "experiment" / "easy").glob("*.yaml"))


@pytest.mark.slow
@pytest.mark.parametrize("name", NAMES)
def test_an_lstm_learns_it(longlag, name):
    assert longlag("train", f"experiment=easy/{name}", "seed=0", "logger=csv").code == 0
    (run,) = read_study(Path("outputs/easy"))
    assert run.status.state == "solved"
    assert run.summary["test/acc"] > 0.9
