"""Every cell of conf/ keeps to the contract and its claims; cells that do not are caught by the check named for it."""

import pytest
import torch
from conformance import broken_cells, wrong_cells
from longlag.tasks.delayed_xor import DelayedXOR

from longlag import build_cell, compose
from longlag.cells import LSTMCell, PeepholeLSTMCell
from longlag.conformance.kit import conformance
from longlag.conformance.measures import carried, measure
from longlag.settings.compose import conf_dir

CELLS = sorted(path.stem for path in (conf_dir() / "cell").glob("*.yaml"))


@pytest.mark.parametrize("name", CELLS)
@pytest.mark.parametrize("input_size", [2, 1])
def test_every_cell_passes_all_that_apply(name, input_size):
    settings = compose(f"cell={name}")
    results = list(conformance(lambda **changes: build_cell(settings, input_size, **changes), input_size))
    assert len(results) == 12
    assert not [result for result in results if result.verdict == "fail"]


@pytest.mark.parametrize(
    ("name", "settings"),
    [
        ("lstm_1997", {"truncate_gates": False, "block_size": 2}),
        ("lstm_1997", {"output_gate": False}),
        ("lstm_1997", {"biased": "gates", "input_bias": -1.0, "output_bias": -2.0}),
        ("lstm_1997", {"biased": "none"}),
        ("lstm_forget_2000", {"truncate_gates": False, "block_size": 4, "cell_bias": True}),
        ("lru", {"gelu": True, "state_size": 20}),
        ("slstm", {"heads": 4}),
        ("mlstm", {"heads": 1, "hidden_size": 8}),
        ("causal_attention", {"heads": 1}),
    ],
)
def test_variants_pass_too(name, settings):
    composed = compose(f"cell={name}")
    results = list(conformance(lambda **changes: build_cell(composed, 3, **{**settings, **changes}), 3))
    assert not [result for result in results if result.verdict == "fail"]


def failed(cell):
    results = conformance(lambda **changes: cell(2, 4, **changes), 2)
    return {result.name: result.figure for result in results if result.verdict == "fail"}


def test_the_lstm_is_held_to_everything_but_linearity():
    results = conformance(lambda **changes: LSTMCell(2, 4, **changes), 2)
    assert [result.name for result in results if result.verdict == "does not apply"] == ["linear in the state"]
    assert failed(wrong_cells.Steps) == {}


@pytest.mark.parametrize(
    ("cell", "check"),
    [
        (wrong_cells.NotAdditive, "constant error carousel"),
        (wrong_cells.SwappedInputAndForget, "constant error carousel"),
        (wrong_cells.SwappedForgetAndOutput, "constant error carousel"),
        (wrong_cells.ScalesTheGradient, "gradient"),
        (wrong_cells.DetachesTheState, "gradient"),
        (wrong_cells.ForgetsToReturnTheState, "shapes"),
        (wrong_cells.WrongShape, "shapes"),
        (wrong_cells.Explodes, "long sequence, T=1000"),
        (broken_cells.NoCellStateAfterAll, "shapes"),
        (broken_cells.StaysOnTheCpu, "types and devices"),
        (broken_cells.StaysInFloat32, "types and devices"),
        (broken_cells.NormalisesOverTheBatch, "sequences are independent"),
        (broken_cells.DropsAtRandom, "the same twice"),
        (broken_cells.OtherWeightsEachTime, "the same twice"),
        (broken_cells.CountsItsSteps, "a sequence in two parts"),
        (broken_cells.GateOfTwo, "gates in [0, 1]"),
        (broken_cells.BiasOfAnotherGate, "biases open and shut the gates"),
        (broken_cells.BiasTwice, "effective forget bias"),
        (broken_cells.BiasTwiceBehindTheGates, "effective forget bias"),
        (broken_cells.OtherDirectPath, "effective forget bias"),
        (broken_cells.NoDirectPath, "effective forget bias"),
        (broken_cells.OtherPacking, "biases open and shut the gates"),
        (broken_cells.NeverOpens, "biases open and shut the gates"),
        (broken_cells.CutsTooMuch, "gradient"),
        (broken_cells.NoGradientAtAll, "gradient"),
        (broken_cells.OverwritesTheState, "the same twice"),
        (broken_cells.NoHalfPrecision, "types and devices"),
        (broken_cells.WantsASequence, "shapes"),
        (broken_cells.Leaks, "constant error carousel"),
        (broken_cells.MisspeltGate, "biases open and shut the gates"),
        (broken_cells.SquaresItsOutputGate, "biases open and shut the gates"),
        (broken_cells.DoesNotListen, "long sequence, T=1000"),
        (broken_cells.NotFiniteInHalfPrecision, "types and devices"),
        (broken_cells.OverwritesItsInput, "the same twice"),
        (broken_cells.NotLinear, "linear in the state"),
        (broken_cells.ReadsTheHiddenState, "linear in the state"),
    ],
)
def test_a_broken_cell_is_caught(cell, check):
    assert check in failed(cell)


def test_peepholes_that_are_at_work_from_the_start_are_no_fault():
    def make(forget_bias=1.0):
        cell = PeepholeLSTMCell(2, 4, forget_bias)
        with torch.no_grad():
            for peephole in (cell.p_i, cell.p_f, cell.p_o):
                peephole.uniform_(-1, 1)
        return cell

    assert not [result for result in conformance(make, 2) if result.verdict == "fail"]


def test_a_carousel_without_gates_is_tried_without_input():
    results = {result.name: result.verdict for result in conformance(lambda: broken_cells.Keeps(2, 4), 2)}
    assert results["constant error carousel"] == "pass"
    assert "fail" not in results.values()


@pytest.mark.parametrize(
    ("name", "numbers"),
    [
        ("rnn", 1), ("gru", 1), ("min_lstm", 1), ("lstm", 2), ("lru", 2), ("slstm", 4),
        ("lstm_1997", 4),  # s, h, and a gate of each kind for every cell
        ("mlstm", 8 + 1 + 1 / 8),  # four matrices of 8 × 8, four vectors and four numbers for 32 units
        ("causal_attention", 120),  # a key and a value for each of 60 steps
    ],
)  # fmt: skip
def test_the_state_that_is_carried_is_counted_whole(name, numbers):
    assert carried(build_cell(compose(f"cell={name}"), 2), 2) == numbers * 32


def test_measures():
    """Against figures that are known: sizes by hand, the early gradient by a separate loop."""
    tasks = [DelayedXOR(60), DelayedXOR(1000)]
    found = measure(lambda: LSTMCell(2, 16), tasks)
    assert found.parameters == 4 * 16 * (16 + 2 + 1)
    assert found.state == 2
    assert found.step_us > 0

    torch.manual_seed(0)
    cell, readout = LSTMCell(2, 16).double(), torch.nn.Linear(16, 2).double()
    x = tasks[0].draw("probe", 0, 16).inputs.double().requires_grad_()
    state = cell.initial_state(16, dtype=torch.float64)
    for t in range(60):
        state = cell(x[:, t], state)
    readout(state[0]).sum().backward()
    assert found.early_gradients[0] == pytest.approx(x.grad[:, 0].abs().mean().item(), rel=1e-10)
    assert 0 < found.early_gradients[1] < 1e-50  # far below what float32 can say
