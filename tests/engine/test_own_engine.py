"""A reader's own engine: an object for a model, a ``_target_`` for the command line, a contender for the benchmark."""

import copy
import json
from pathlib import Path

import pytest
import torch

from longlag.benchmark.contenders import OneRun
from longlag.benchmark.workload import Size, Workload, relative_error
from longlag.cells import GRUCell, LSTMCell
from longlag.engine import Engine, Used, eager, engine_for
from longlag.model import SequenceModel

SOURCE = '''
from longlag.cells import LSTMCell
from longlag.engine import Engine
from longlag.engine.eager import unroll


class Counting(Engine):
    """The eager loop, for the LSTM alone; it counts its calls."""

    name = "counting"

    def __init__(self, least=1):
        self.calls, self.least = 0, least

    def fits(self, cell):
        return type(cell) is LSTMCell

    def unroll(self, cell, x, state=None):
        self.calls += 1
        return unroll(cell, x, state)
'''


@pytest.fixture
def counting():
    namespace = {}
    exec(SOURCE, namespace)
    return namespace["Counting"]


def test_a_model_runs_its_layers_by_it(counting):
    engine = counting()
    model = SequenceModel([LSTMCell(2, 4), LSTMCell(4, 4)], 1, engine=engine)
    x = torch.randn(3, 5, 2)
    wanted = SequenceModel([LSTMCell(2, 4), LSTMCell(4, 4)], 1, engine="eager")
    wanted.load_state_dict(model.state_dict())
    assert torch.equal(model(x), wanted(x))
    assert engine.calls == 2
    assert [each.used for each in model.engines] == [Used("counting")] * 2
    copy.deepcopy(model)(x)
    assert engine.calls == 2, "a copy of a model has its own engines"


def test_a_cell_that_it_does_not_run_is_refused(counting):
    with pytest.raises(ValueError, match=r"^engine=counting does not run GRUCell \(engine=eager runs it\)$"):
        SequenceModel(GRUCell(2, 4), 1, engine=counting())


def test_what_is_no_engine_is_refused():
    with pytest.raises(ValueError, match=r"^engine must be a name or a longlag\.engine\.Engine, got function$"):
        engine_for(eager.unroll, LSTMCell(2, 4))


def test_an_engine_need_not_derive_from_the_protocol(counting):
    class Apart:
        name, level, used = "apart", None, None

        def fits(self, cell):
            return True

        def refusal(self, cell, x=None):
            return None

        def prepare(self, cell, dtype=torch.float32):
            pass

        def unroll(self, cell, x, state=None):
            return eager.unroll(cell, x, state)

    assert isinstance(Apart(), Engine)
    assert engine_for(Apart(), LSTMCell(2, 4)).name == "apart"


def test_a_run_is_trained_by_it(longlag, tiny, tmp_path):
    (tmp_path / "my_engines.py").write_text(SOURCE)
    for own, code in (("{_target_: my_engines.Counting}", 0), ("{_target_: my_engines.Counting, most: 3}", 2)):
        said = longlag("train", f"engine={own}", *tiny)
        assert said.code == code, said.err
    assert said.err == "longlag: engine: my_engines.Counting takes no 'most' (~engine.most leaves it out)\n"
    (folder,) = Path("outputs").glob("*/*/config.yaml")
    assert "_target_: my_engines.Counting" in folder.read_text()
    said = longlag("train", "engine={_target_: my_engines.Counting}", "cell=gru", *tiny)
    assert (said.code, said.err) == (
        2,
        "longlag: engine: engine=counting does not run GRUCell (engine=eager runs it)\n",
    )
    assert json.loads(folder.with_name("status.json").read_text())["state"] == "done"


def test_it_takes_part_in_the_benchmark(counting):
    class Mine(OneRun):
        name, engine = "mine", counting()

    workload = Workload(Size("lstm", H=5, B=4, T=12, R=2, I=3), LSTMCell)
    assert Mine.refusal(workload) is None
    assert relative_error(Mine(workload).gradients(1), workload.reference(1)) < 1e-5
    assert Mine.refusal(Workload(Size("gru", H=5, B=4, T=12), GRUCell)) == "it does not run this cell"
