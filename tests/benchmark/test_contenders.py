"""Every contender finds the gradient of the eager loop in float64, for every run."""

import importlib
import sys

import pytest
import torch

from longlag.benchmark.contenders import CONTENDERS
from longlag.benchmark.workload import Size, Workload, relative_error
from longlag.cells import (
    ForgetLSTM2000Cell,
    GRUCell,
    IRNNCell,
    LRUCell,
    LSTMCell,
    MinGRUCell,
    PeepholeLSTMCell,
    RNNCell,
)

CELLS = {
    "lstm": LSTMCell,
    "gru": GRUCell,
    "rnn": RNNCell,
    "irnn": IRNNCell,
    "lstm_peephole": PeepholeLSTMCell,
    "lstm_forget_2000": ForgetLSTM2000Cell,
    "min_gru": MinGRUCell,
    "lru": LRUCell,
}
KINDS = {kind.name: kind for kind in CONTENDERS}
#: Contender -> the cells that it runs.
RUNS = {
    "native": {"lstm", "gru", "rnn", "irnn", "lstm_peephole", "lstm_forget_2000"},
    "eager": set(CELLS),
    "torch": {"lstm", "gru", "rnn", "irnn"},
    "scan": {"min_gru", "lru"},
    "bare": {"lstm", "gru", "rnn", "irnn"},
    "jax": {"lstm", "gru", "rnn", "irnn"},
    "torchrecurrent": {"lstm_peephole"},
    "flashrnn": {"lstm", "gru", "rnn"},
}
NEEDED = {"jax": "jax", "torchrecurrent": "torchrecurrent", "flashrnn": "flashrnn"}


@pytest.fixture(autouse=True)
def flashrnn_without_a_gpu(monkeypatch):
    """Let it run by its own reference, in PyTorch, which takes and gives what its kernels do."""
    monkeypatch.setattr(KINDS["flashrnn"], "backend", "vanilla")
    monkeypatch.setattr(KINDS["flashrnn"], "device", "cpu")


def given(cell, R=3):
    return Workload(Size(cell, H=5, B=4, T=12, R=R, I=3), CELLS[cell])


@pytest.mark.parametrize(("name", "cell"), [(name, cell) for name in RUNS for cell in sorted(RUNS[name])])
def test_a_contender_finds_the_gradient_of_every_run(name, cell):
    if name in NEEDED:
        pytest.importorskip(NEEDED[name])
    on = given(cell)
    assert KINDS[name].refusal(on) is None
    contender = KINDS[name](on)
    for run in (2, 0, 1):
        contender.forward(run)
        contender.train(run)
        assert relative_error(contender.gradients(run), on.reference(run)) < 1e-5


@pytest.mark.long
@pytest.mark.filterwarnings("default")  # what the compiler says of itself
@pytest.mark.parametrize("cell", ["lstm", "min_gru"])
def test_the_compiled_step_finds_the_gradient_too(cell):
    """Twelve steps: ten of them compiled."""
    on = given(cell, R=2)
    contender = KINDS["compiled"](on)
    for run in (0, 1):
        contender.forward(run)
        assert relative_error(contender.gradients(run), on.reference(run)) < 1e-5


@pytest.mark.parametrize(("name", "cell"), [(name, cell) for name in RUNS for cell in CELLS if cell not in RUNS[name]])
def test_it_says_which_cells_it_does_not_run(name, cell):
    why = KINDS[name].refusal(given(cell, R=1))
    assert why
    assert "\n" not in why


def test_forward_leaves_no_way_back(monkeypatch):
    contender = KINDS["torch"](given("lstm"))
    assert not contender.forward(0).requires_grad
    assert contender.last(0).requires_grad


def test_the_weights_are_the_same_numbers_for_all():
    on = given("gru")
    names = ("native", "eager", "torch", "bare")
    ends = [KINDS[name](on).forward(1) for name in names]
    for end in (ends[0][1], *ends[2:]):  # all runs at once, the first of them
        torch.testing.assert_close(end, ends[1], rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize(("name", "cell"), [("jax", "lstm"), ("torchrecurrent", "lstm_peephole"), ("flashrnn", "gru")])
def test_what_is_not_installed_is_left_out(monkeypatch, name, cell):
    monkeypatch.setitem(sys.modules, NEEDED[name], None)
    assert KINDS[name].refusal(given(cell)) == "not installed"


def test_flashrnn_is_measured_where_its_kernels_run(monkeypatch):
    monkeypatch.setattr(KINDS["flashrnn"], "device", "cuda")
    assert KINDS["flashrnn"].refusal(given("lstm")) == "measured on a GPU alone"


def test_a_package_that_finds_no_cuda_is_left_out(monkeypatch):
    def none(name):
        raise OSError("CUDA_HOME environment variable is not set.\nPlease set it")

    monkeypatch.setattr(importlib, "import_module", none)
    assert KINDS["flashrnn"].refusal(given("lstm")) == "cannot be imported: CUDA_HOME environment variable is not set."


def test_pytorchs_own_module_is_as_exact_as_its_products_on_a_gpu(monkeypatch):
    monkeypatch.setattr(torch.backends.cudnn, "allow_tf32", True)
    KINDS["bare"](given("lstm"))
    assert torch.backends.cudnn.allow_tf32 is False


def test_without_a_library_the_native_engine_cannot_be_made(no_native):
    on = given("lstm")
    assert KINDS["native"].refusal(on) is None
    with pytest.raises(ValueError, match="LONGLAG_NATIVE=off"):
        KINDS["native"](on)
