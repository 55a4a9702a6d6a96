"""PyTorch's fused modules give what the eager loop gives, at random shapes, and weights convert exactly both ways."""

import random
import subprocess
import sys

import pytest
import torch
from torch import nn

from longlag.cells import CoupledLSTMCell, GRUCell, IRNNCell, LSTMCell, RNNCell
from longlag.engine import TorchModules, eager, engine_for
from longlag.engine.torch_modules import from_torch, to_torch

unroll = TorchModules().unroll

CELLS = [LSTMCell, GRUCell, RNNCell, IRNNCell]
SHAPES = [tuple(random.Random(k).choice(range(1, most)) for most in (9, 40, 7, 20)) for k in range(8)]  # B, T, I, H
BOUNDS = {torch.float64: 1e-12, torch.float32: 1e-5}  # a few hundred roundings of the type's precision


def busy(cell):
    """Weights at which every part of the cell matters: the IRNN's start is nearly an identity."""
    with torch.no_grad():
        for parameter in cell.parameters():
            parameter.uniform_(-0.5, 0.5)
    return cell


def relative(got, want):
    """The largest error of any element, relative to the largest element."""
    scale = want.abs().max()
    return ((got - want).abs().max() / (scale if scale > 0 else 1)).item()


def values_and_gradients(run, x, state, parameters):
    x = x.clone().requires_grad_()
    parts = {id(part): part.clone().requires_grad_() for part in state}
    hidden, (h, c) = run(x, tuple(parts[id(part)] for part in state))
    directions = torch.Generator().manual_seed(1)
    loss = sum((each * torch.randn(each.shape, generator=directions)).sum() for each in (hidden, h, c))
    return [hidden, h, c, *torch.autograd.grad(loss, [x, *parts.values(), *parameters])]


@pytest.mark.parametrize("dtype", BOUNDS)
@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("cell", CELLS)
def test_parity_with_the_eager_loop(cell, shape, dtype):
    """Values, and gradients of the inputs, the initial state and every parameter."""
    B, T, I, H = shape  # noqa: E741 -- the field's names
    torch.manual_seed(0)
    made = busy(cell(I, H)).to(dtype)
    x, h, c = (torch.randn(*size, dtype=dtype) for size in ((B, T, I), (B, H), (B, H)))
    state = (h, c) if cell is LSTMCell else (h, h)
    ours, fused = (
        values_and_gradients(lambda x, s, e=e: e(made, x, s), x, state, list(made.parameters()))
        for e in (eager.unroll, unroll)
    )
    assert max(relative(*pair) for pair in zip(fused, ours, strict=True)) < BOUNDS[dtype]


@pytest.mark.parametrize("cell", CELLS)
def test_without_a_state_it_starts_from_the_initial_one(cell):
    torch.manual_seed(0)
    made = busy(cell(2, 5)).double()
    x = torch.randn(3, 7, 2, dtype=torch.float64)
    for got, want in zip(unroll(made, x)[1], eager.unroll(made, x)[1], strict=True):
        assert relative(got, want) < 1e-12


@pytest.mark.parametrize("cell", CELLS)
def test_weights_to_torch_and_back_are_the_same_bits(cell):
    torch.manual_seed(0)
    ours = busy(cell(3, 5))
    module = to_torch(ours)
    again = from_torch(module)
    assert type(again) is cell
    for (name, want), (_, got) in zip(ours.named_parameters(), again.named_parameters(), strict=True):
        assert torch.equal(got, want), name
    x = torch.randn(4, 6, 3)
    assert torch.equal(module(x)[0], unroll(ours, x)[0])
    with torch.no_grad():
        next(module.parameters()).zero_()
    assert all(bool(p.any()) for p in ours.parameters()), "the module has its own weights"


@pytest.mark.parametrize(
    ("module", "cell"),
    [
        (nn.LSTM(3, 5), LSTMCell),
        (nn.GRU(3, 5), GRUCell),
        (nn.RNN(3, 5), RNNCell),
        (nn.RNN(3, 5, nonlinearity="relu"), IRNNCell),
    ],
)
def test_a_cell_computes_what_the_module_it_came_from_does(module, cell):
    """PyTorch's own weights, with two biases that are both at work."""
    module = module.double()
    made = from_torch(module)
    assert type(made) is cell
    x = torch.randn(7, 2, 3, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    expected, _ = module(x)
    got, _ = eager.unroll(made, x.transpose(0, 1))
    assert relative(got.transpose(0, 1), expected) < 1e-12


def test_the_effective_forget_bias_of_a_module_is_the_sum_of_its_two():
    module = nn.LSTM(2, 3)
    with torch.no_grad():
        for bias in (module.bias_ih_l0, module.bias_hh_l0):
            bias[3:6] = 1.0
    assert from_torch(module).gate_bias("f").tolist() == [2.0, 2.0, 2.0]


def test_what_has_no_fused_module_is_refused():
    class Mine(LSTMCell):
        pass

    for cell in (Mine(2, 3), CoupledLSTMCell(2, 3)):
        with pytest.raises(
            ValueError, match=f"engine=torch runs LSTMCell, .*; {type(cell).__name__} has no fused module"
        ):
            engine_for("torch", cell)
        with pytest.raises(ValueError, match="has no fused module"):
            to_torch(cell)


@pytest.mark.parametrize(
    "module",
    [
        nn.LSTM(2, 3, num_layers=2),
        nn.LSTM(2, 3, bidirectional=True),
        nn.LSTM(2, 3, bias=False),
        nn.LSTM(2, 3, proj_size=2),
    ],
)
def test_a_module_that_is_no_single_cell_is_refused(module):
    with pytest.raises(ValueError, match="one layer, one direction, biases and no projection"):
        from_torch(module)


class OnGPU(torch.Tensor):
    """A tensor that says so, and is not."""

    is_cuda = True


@pytest.fixture
def precisions(monkeypatch):
    """PyTorch's settings of precision as a process begins with them, and put back."""
    monkeypatch.setattr(torch.backends.cudnn, "allow_tf32", True)
    before = torch.get_float32_matmul_precision()
    yield
    torch.set_float32_matmul_precision(before)


@pytest.mark.parametrize(("products", "may_round"), [("highest", False), ("high", True)])
def test_on_a_gpu_cudnn_may_round_to_tf32_only_where_products_may(precisions, products, may_round):
    """PyTorch's own default lets cuDNN take ten bits of each weight of a float32 model, and products all of them."""
    torch.set_float32_matmul_precision(products)
    unroll(LSTMCell(2, 3), torch.zeros(1, 4, 2).as_subclass(OnGPU))
    assert torch.backends.cudnn.allow_tf32 is may_round


def test_on_the_cpu_nothing_is_set(precisions):
    unroll(LSTMCell(2, 3), torch.zeros(1, 4, 2))
    assert torch.backends.cudnn.allow_tf32 is True


def test_who_uses_the_newer_settings_is_left_alone():
    """In a process of its own, which cannot go back to the older ones."""
    newer = (
        "import torch\nfrom longlag.engine.torch_modules import exact_as_products\n"
        "if not hasattr(torch.backends.cudnn, 'rnn'): raise SystemExit\n"
        "torch.backends.cuda.matmul.fp32_precision = 'tf32'\ntorch.backends.cudnn.rnn.fp32_precision = 'ieee'\n"
        "exact_as_products()\nassert torch.backends.cudnn.rnn.fp32_precision == 'ieee'\n"
    )
    subprocess.run([sys.executable, "-c", newer], check=True)
