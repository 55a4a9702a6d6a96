"""On-line learning in the native engine is the plain loop: autograd and torch.optim.SGD, one sequence a batch."""

import copy

import pytest
import torch
from native_cells import CELLS
from online_runs import BUSY, PLAIN, flat, loop_of_steps, model_of, off, plain_loop, sequences, trained

from longlag.cells import LSTM1997Cell
from longlag.engine.native.build import LEVELS, level
from longlag.engine.native.online import Descent, OnlineRuns
from longlag.model import SequenceModel

LOSSES = ("linear", "logistic", "softmax")
TRACED = [
    "lstm_1997",
    "lstm_forget_2000",
    "lstm_forget_2000-blocks",
    "lstm_1997-no_output_gate",
]


def assert_equals_the_loop(model, batch, loss, descent, bound=1e-12, **how):
    ((end, losses, nets),) = trained([model], [batch], loss, descent, **how)
    reference = copy.deepcopy(model).double()
    wanted, outputs = plain_loop(reference, batch.cast(torch.float64), loss, descent)
    got = nets[batch.mask] if model.reads == "every" else nets
    assert off(end, flat(reference)) <= bound
    assert off(losses, wanted) <= bound
    assert off(got, outputs) <= bound


@pytest.mark.parametrize("readout", ["last", "every"])
@pytest.mark.parametrize("name", CELLS)
def test_every_cell_learns_as_in_the_plain_loop(name, readout):
    """The way back is right for all cells, and the loss, the momentum and the bias of the readout are varied."""
    number = 2 * list(CELLS).index(name) + (readout == "every")
    loss = LOSSES[number % 3]
    batch = sequences(200, 6, loss, readout == "every", seed=number)
    model = model_of(name, readout, bias=number % 4 < 2)
    assert_equals_the_loop(model, batch, loss, BUSY if number % 5 else PLAIN, way="back")


@pytest.mark.parametrize("loss", LOSSES)
@pytest.mark.parametrize("readout", ["last", "every"])
@pytest.mark.parametrize("name", TRACED)
def test_derivatives_carried_forward_give_the_gradient_of_the_way_back(name, readout, loss):
    batch = sequences(200, 20, loss, readout == "every")
    model = model_of(name, readout, bias=loss != "logistic")
    calm = Descent(0.001, momentum=0.5)  # the memory of a cell that forgets nothing is large, and its errors are too
    back, forward = (trained([model], [batch], loss, calm, way=way)[0] for way in ("back", "traces"))
    for got, wanted in zip(forward, back, strict=True):
        told = ~wanted.isnan()
        assert off(got[told], wanted[told]) <= 1e-12


@pytest.mark.parametrize("name", ["lstm_1997", "lstm_forget_2000-blocks"])
def test_derivatives_carried_forward_give_the_plain_loop(name):
    assert_equals_the_loop(model_of(name), sequences(50, 20, "logistic", False), "logistic", BUSY, way="traces")


def blocks_of_1997(biased, output_gate):
    torch.manual_seed(0)
    cell = LSTM1997Cell(3, 6, block_size=3, output_gate=output_gate, biased=biased, weight_range=0.3)
    return SequenceModel(cell, 2, "last", engine="eager").double()


@pytest.mark.parametrize("way", ["back", "traces"])
@pytest.mark.parametrize("biased", ["none", "gates", "hidden"])
@pytest.mark.parametrize("output_gate", [True, False])
def test_cells_of_a_block_share_its_gates_and_units_may_have_no_bias(output_gate, biased, way):
    model = blocks_of_1997(biased, output_gate)
    assert_equals_the_loop(model, sequences(50, 9, "logistic", False), "logistic", BUSY, way=way)


@pytest.mark.parametrize("loss", LOSSES)
@pytest.mark.parametrize("decay_by", ["sequence", "update"])
@pytest.mark.parametrize("name", TRACED)
def test_an_update_after_each_step(name, decay_by, loss):
    descent = Descent(0.05, momentum=0.5, decay=0.99, decay_by=decay_by)
    batch, model = sequences(12, 6, loss, True), model_of(name, "every")
    ((end, *_),) = trained([model], [batch], loss, descent, update="step")
    loop_of_steps(model, batch, loss, descent)
    assert off(end, flat(model)) <= 1e-12


@pytest.mark.parametrize("name", ["lstm", "gru", "lstm_1997", "lstm_forget_2000-blocks"])
def test_float32_is_close(name):
    model = model_of(name, dtype=torch.float32)
    batch = sequences(100, 20, "logistic", False, dtype=torch.float32)
    assert_equals_the_loop(model, batch, "logistic", BUSY, bound=2e-5)


@pytest.mark.parametrize("update", ["sequence", "step"])
@pytest.mark.parametrize("way", ["back", "traces"])
@pytest.mark.parametrize("name", ["lstm_1997", "lstm_forget_2000-blocks", "lstm_1997-no_output_gate", "gru"])
def test_symbols_are_vectors_with_a_one(name, way, update):
    if (name == "gru" and way == "traces") or (way == "back" and update == "step"):
        pytest.skip("there is no such way")
    symbols = torch.randint(7, (30, 40), generator=torch.Generator().manual_seed(0)).to(torch.uint16)
    batch = sequences(30, 40, "softmax", True)._replace(inputs=torch.nn.functional.one_hot(symbols.long(), 7).double())
    model = model_of(name, "every", inputs=7)
    dense = trained([model], [batch], "softmax", BUSY, way=way, update=update)
    short = trained([model], [batch._replace(inputs=symbols)], "softmax", BUSY, way=way, update=update)
    for got, wanted in zip(short[0], dense[0], strict=True):
        assert torch.equal(got.nan_to_num(), wanted.nan_to_num())


def test_a_frozen_parameter_stays():
    model = model_of("lstm")
    model.cells[0].W.bias.requires_grad_(False)
    before = model.cells[0].W.bias.clone()
    assert_equals_the_loop(model, sequences(20, 5, "linear", False), "linear", BUSY)
    runs = OnlineRuns([model], "linear", BUSY)
    runs.train([sequences(20, 5, "linear", False)])
    runs.store()
    assert torch.equal(model.cells[0].W.bias, before)


def test_two_calls_are_one():
    model, batch = model_of("lstm_1997"), sequences(30, 9, "logistic", False)
    (at_once,) = trained([model], [batch], "logistic", BUSY)
    runs = OnlineRuns([model], "logistic", BUSY)
    first, second = (runs.train([batch.select(slice(*ends))])[0] for ends in ((0, 11), (11, 30)))
    runs.store()
    assert torch.equal(flat(model), at_once[0])
    assert torch.equal(torch.cat([first.losses, second.losses]), at_once[1])
    assert torch.equal(torch.cat([first.outputs, second.outputs]), torch.sigmoid(at_once[2]))


@pytest.mark.parametrize("named", list(LEVELS)[list(LEVELS).index(level()) :])
def test_every_level_of_instructions_gives_the_plain_loop(named, monkeypatch, forgotten):
    monkeypatch.setenv("LONGLAG_NATIVE", named)
    model = model_of("lstm_1997", "every")
    assert_equals_the_loop(model, sequences(50, 20, "logistic", True), "logistic", PLAIN, way="traces")


@pytest.mark.parametrize("readout", ["last", "every"])
@pytest.mark.parametrize("way", ["back", "traces"])
@pytest.mark.parametrize("bias", [True, False])
def test_outputs_that_read_the_inputs_too_learn_as_in_the_plain_loop(readout, way, bias):
    model = model_of("lstm_1997", readout, bias=bias, shortcut=True)
    batch = sequences(50, 20, "logistic", readout == "every")
    assert_equals_the_loop(model, batch, "logistic", BUSY, way=way)


@pytest.mark.parametrize("way", ["back", "traces"])
def test_a_shortcut_reads_symbols_as_vectors_with_a_one(way):
    symbols = torch.randint(7, (30, 40), generator=torch.Generator().manual_seed(0))
    batch = sequences(30, 40, "logistic", True)._replace(inputs=torch.nn.functional.one_hot(symbols, 7).double())
    model = model_of("lstm_1997-no_output_gate", "every", inputs=7, shortcut=True)
    (dense,) = trained([model], [batch], "logistic", BUSY, way=way)
    (short,) = trained([model], [batch._replace(inputs=symbols)], "logistic", BUSY, way=way)
    for got, wanted in zip(short, dense, strict=True):
        assert torch.equal(got.nan_to_num(), wanted.nan_to_num())
