"""What on-line learning in the native engine refuses, in one line."""

import pytest
import torch
from online_runs import PLAIN, model_of, sequences
from torch import nn

from longlag.cells import LRUCell, LSTMCell
from longlag.engine.native.online import Descent, OnlineRuns, refusal
from longlag.model import SequenceModel


class Louder(SequenceModel):
    def forward(self, x, lengths=None, generator=None):
        return 2 * super().forward(x, lengths, generator)


def changed(change):
    model = SequenceModel(LSTMCell(3, 4), 2)
    change(model)
    return model


def share_a_weight(model):
    model.readout.bias = nn.Parameter(torch.zeros(16))
    model.cells[0].W.bias = model.readout.bias


REFUSED = {
    "a SequenceModel as it is, not a Louder": lambda: Louder(LSTMCell(3, 4), 2),
    "one layer, not 2": lambda: SequenceModel([LSTMCell(3, 4), LSTMCell(4, 4)], 2),
    "LSTM1997Cell; LRUCell is none of them": lambda: SequenceModel(LRUCell(3, 4), 2),
    "this LSTMCell is modified: its layer W has hooks": lambda: changed(
        lambda model: model.cells[0].W.register_forward_hook(lambda *_: None)
    ),
    "its layer readout has hooks": lambda: changed(lambda model: model.readout.register_forward_hook(lambda *_: None)),
    "a readout that is an nn.Linear, not a Identity": lambda: changed(
        lambda model: setattr(model, "readout", nn.Identity())
    ),
    "this model computes some of them": lambda: changed(
        lambda model: nn.utils.parametrizations.weight_norm(model.readout)
    ),
    "this model shares some": lambda: changed(share_a_weight),
    "float32 or float64 on the CPU, not cpu, torch.bfloat16": lambda: changed(lambda model: model.bfloat16()),
}


@pytest.mark.parametrize(("why", "make"), REFUSED.items())
def test_a_model_that_is_refused(why, make):
    model = make()
    said = refusal(model)
    assert said is not None
    assert said.startswith("on-line learning in the native engine takes ")
    assert why in said
    assert "\n" not in said
    with pytest.raises(ValueError, match=r"^on-line learning in the native engine takes "):
        OnlineRuns([model], "linear", PLAIN)


@pytest.mark.parametrize("name", ["lstm", "lstm_1997", "gru"])
def test_a_model_that_is_taken(name):
    assert refusal(model_of(name)) is None


@pytest.mark.parametrize(
    ("name", "how", "why"),
    [
        ("lstm", {"way": "traces"}, "flows through the memory alone; that of this LSTMCell does not"),
        ("lstm_1997-full", {"update": "step"}, "flows through the memory alone; that of this LSTM1997Cell does not"),
        ("lstm_1997", {"way": "back", "update": "step"}, "update=step wants way=traces"),
    ],
)
def test_a_way_that_a_cell_has_not(name, how, why):
    with pytest.raises(ValueError, match=why):
        OnlineRuns([model_of(name)], "linear", PLAIN, **how)


def test_a_loss_and_a_way_that_there_are_not():
    with pytest.raises(ValueError, match=r"^loss must be one of linear, logistic, softmax; got 'l1'$"):
        OnlineRuns([model_of("lstm")], "l1", PLAIN)
    with pytest.raises(ValueError, match=r"^way must be one of auto, back, traces; got 'forth'$"):
        OnlineRuns([model_of("lstm")], "linear", PLAIN, way="forth")


def test_runs_of_different_kinds():
    models = [model_of("lstm"), model_of("gru")]
    with pytest.raises(ValueError, match="models of one kind"):
        OnlineRuns(models, "linear", PLAIN)
    with pytest.raises(ValueError, match="there must be a model"):
        OnlineRuns([], "linear", PLAIN)
    with pytest.raises(ValueError, match="a descent for each of 2 models, got 1"):
        OnlineRuns(models[:1] * 2, "linear", [PLAIN])


@pytest.mark.parametrize(
    ("change", "why"),
    [
        ({"inputs": torch.zeros(4, 5, 2)}, r"inputs must be \[N, L, I=3\] or symbols \[N, L\], got \[4, 5, 2\]"),
        ({"inputs": torch.full((4, 5), 3)}, "symbols must be from 0 to 2"),
        ({"targets": torch.zeros(4, 2)}, r"targets must be classes \[4, 5\]"),
        ({"targets": torch.full((4, 5), 2)}, "classes must be from 0 to 1"),
        ({"lengths": torch.tensor([1, 2, 3, 6])}, r"lengths must be \[N=4\], from 1 to L=5"),
        ({"lengths": torch.tensor([0, 2, 3, 5])}, "lengths must be"),
        ({"mask": torch.ones(4, 5).bool()}, "no step counts after the end of its sequence"),
        ({"mask": torch.zeros(4, 5).bool()}, "a sequence has no step that counts"),
    ],
)
def test_a_batch_that_does_not_fit(change, why):
    batch = sequences(4, 5, "softmax", True)._replace(lengths=torch.tensor([5, 4, 3, 5]))
    batch = batch._replace(mask=torch.arange(5) < batch.lengths[:, None])
    runs = OnlineRuns([model_of("lstm", "every")], "softmax", PLAIN)
    with pytest.raises(ValueError, match=why):
        runs.train([batch._replace(**change)])
    runs.train([batch])
    with pytest.raises(ValueError, match="a batch for each of 1 runs, got 2"):
        runs.train([batch, batch])


def test_vectors_and_symbols_at_once():
    batch = sequences(4, 5, "linear", False)
    runs = OnlineRuns([model_of("lstm"), model_of("lstm")], "linear", Descent(0.1))
    with pytest.raises(ValueError, match="vectors as inputs, or all symbols"):
        runs.train([batch, batch._replace(inputs=torch.zeros(4, 5, dtype=torch.uint8))])


def test_no_run_and_no_sequence():
    runs = OnlineRuns([model_of("lstm")], "linear", PLAIN)
    (result,) = runs.train([sequences(4, 5, "linear", False).select(slice(0, 0))])
    assert (len(result.losses), result.learned) == (0, 0)
    runs.remove(0)
    assert runs.train([]) == []
