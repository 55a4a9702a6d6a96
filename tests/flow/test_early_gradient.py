import math

import pytest
import torch

from longlag.cells import Cell, LSTMCell, RNNCell
from longlag.flow.early_gradient import early_gradient
from longlag.model import SequenceModel

# pytest.approx has an absolute tolerance of 1e-12 unless it is told abs=0: with it, 0 would pass for 1e-60.


class Linear(Cell):
    """h' = λ h + x: the gradient of h at the end with respect to the input at t=0 is λ to the power of the lag."""

    def __init__(self, decay):
        super().__init__(1, 1)
        self.decay = torch.nn.Parameter(torch.tensor(decay))

    def forward(self, x, state):
        h = self.decay * state[0] + x
        return h, h


@pytest.mark.parametrize("T", [2, 31, 101, 251, 1001])
def test_a_linear_cell_gives_lambda_to_the_lag(T):
    """0.5 to the power of 1000 is 9e-302: far below float32, and right to the last digits."""
    model = SequenceModel(Linear(0.5), 1)
    with torch.no_grad():
        model.readout.weight.fill_(1.0)
    assert early_gradient(model, torch.ones(3, T, 1)) == pytest.approx(0.5 ** (T - 1), rel=1e-12, abs=0)


def test_with_a_readout_at_every_step_the_last_one_that_counts_is_taken():
    """λ to the power of the lag from there, whatever the outputs before and after it."""
    model = SequenceModel(Linear(0.5), 1, readout="every")
    with torch.no_grad():
        model.readout.weight.fill_(1.0)
    x, lengths = torch.ones(2, 40, 1), torch.tensor([40, 40])
    mask = torch.zeros(2, 40, dtype=torch.bool)
    mask[:, [0, 5, 20]] = True
    assert early_gradient(model, x, lengths, mask) == pytest.approx(0.5**20, rel=1e-12, abs=0)
    mask[1, 30] = True
    assert early_gradient(model, x, lengths, mask) == pytest.approx((0.5**20 + 0.5**30) / 2, rel=1e-12, abs=0)
    lengths = torch.tensor([11, 40])
    assert early_gradient(model, x, lengths) == pytest.approx((0.5**10 + 0.5**39) / 2, rel=1e-12, abs=0)
    assert early_gradient(model, x) == pytest.approx(0.5**39, rel=1e-12, abs=0)


def test_float32_alone_would_lose_it():
    """The same figure, taken as one would by hand, is 0 where ours is 1e-60: so float64 is needed, not a luxury."""
    model = SequenceModel(Linear(0.1), 1)
    x = torch.ones(1, 61, 1, requires_grad=True)
    model(x).sum().backward()
    assert x.grad[0, 0].item() == 0.0
    with torch.no_grad():
        model.readout.weight.fill_(1.0)
    # 0.1 is not exact in float32: the 60th power has 60 times its relative error
    assert early_gradient(model, x) == pytest.approx(1e-60, rel=60 * 2**-24, abs=0)


@pytest.mark.parametrize("T", [60, 150])
def test_an_rnn_against_the_product_of_its_jacobians(T):
    """dh_T/dx_0 written out as a product of matrices, one sequence at a time; at T=150 it is below 1e-30."""
    torch.manual_seed(0)
    model = SequenceModel(RNNCell(2, 4), 2)
    x = torch.randn(3, T, 2)
    W, b, V = (p.detach().double() for p in (model.cells[0].W.weight, model.cells[0].W.bias, model.readout.weight))
    total = 0.0
    for sequence in x.double():
        h = torch.zeros(4, dtype=torch.float64)
        back = None
        for x_t in sequence:
            h = torch.tanh(W @ torch.cat([h, x_t]) + b)
            slope = torch.diag(1 - h**2)
            back = slope @ W[:, 4:] if back is None else slope @ W[:, :4] @ back
        total += (V.sum(0) @ back).abs().sum().item()
    got = early_gradient(model, x)
    assert got == pytest.approx(total / (3 * 2), rel=1e-9, abs=0)
    assert T < 150 or got < 1e-30


def test_the_model_is_left_as_it_was():
    torch.manual_seed(0)
    model = SequenceModel(LSTMCell(2, 4), 2)
    before = {name: p.clone() for name, p in model.named_parameters()}
    with torch.inference_mode():  # as in a validation
        assert early_gradient(model, torch.ones(2, 5, 2)) > 0
    for name, p in model.named_parameters():
        assert torch.equal(p, before[name])
        assert p.grad is None
        assert p.dtype is torch.float32


@pytest.mark.parametrize(("cell", "expected"), [(LSTMCell, "8.70e-07"), (RNNCell, "7.32e-17")])
def test_the_classic_check(cell, expected):
    """H=16, T=60, batch 8, seed 0: the figures of the plain PyTorch exercise, to three digits."""
    torch.manual_seed(0)
    model = SequenceModel(cell(2, 16), 2)
    x = torch.randn(8, 60, 2)
    assert f"{early_gradient(model, x):.2e}" == expected


def test_the_classic_check_in_plain_pytorch():
    """The exercise as it is written without longlag gives these figures too."""
    for name, rows, expected in (("lstm", 64, 8.7e-07), ("rnn", 16, 7.3e-17)):
        torch.manual_seed(0)
        W = torch.nn.Linear(18, rows)
        if name == "lstm":
            with torch.no_grad():
                W.bias[16:32].fill_(1.0)
        out = torch.nn.Linear(16, 2)
        x = torch.randn(8, 60, 2, requires_grad=True)
        h = c = torch.zeros(8, 16)
        for t in range(60):
            z = W(torch.cat([h, x[:, t]], dim=1))
            if name == "rnn":
                h = torch.tanh(z)
                continue
            i, f, g, o = z.chunk(4, dim=1)
            c = f.sigmoid() * c + i.sigmoid() * g.tanh()
            h = o.sigmoid() * c.tanh()
        out(h).sum().backward()
        got = x.grad[:, 0].abs().mean().item()
        assert float(f"{got:.1e}") == expected
        cell = LSTMCell(2, 16) if name == "lstm" else RNNCell(2, 16)
        torch.manual_seed(0)
        cell = type(cell)(2, 16)
        ours = early_gradient(SequenceModel(cell, 2), torch.randn(8, 60, 2))
        assert math.isclose(ours, got, rel_tol=1e-3)  # three digits: float32 against float64


def test_padding_does_not_count():
    torch.manual_seed(0)
    model = SequenceModel(LSTMCell(2, 4), 2)
    x = torch.randn(2, 5, 2)
    padded = torch.cat([x, torch.randn(2, 3, 2)], dim=1)
    assert early_gradient(model, padded, torch.tensor([5, 5])) == pytest.approx(
        early_gradient(model, x), rel=1e-12, abs=0
    )
