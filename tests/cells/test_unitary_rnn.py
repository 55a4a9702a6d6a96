import cmath
import math

import pytest
import torch
from torch import nn
from torch.func import functional_call

from longlag.cells.unitary_rnn import UnitaryRNNCell, modrelu
from longlag.model import SequenceModel


def recurrent_product(cell, z):
    """W z for one z, factor by factor from the definitions, in Python's own complex numbers."""
    N = len(z)
    theta = cell.phases.tolist()
    reflections = [[complex(*pair) for pair in v] for v in cell.reflections.tolist()]

    def turned(z, theta):
        return [cmath.exp(1j * angle) * each for angle, each in zip(theta, z, strict=True)]

    def transformed(z, sign):
        return [sum(z[n] * cmath.exp(sign * 2j * math.pi * k * n / N) for n in range(N)) / N**0.5 for k in range(N)]

    def reflected(z, v):
        along = sum(a.conjugate() * b for a, b in zip(v, z, strict=True)) / sum(abs(a) ** 2 for a in v)
        return [each - 2 * along * a for a, each in zip(v, z, strict=True)]

    z = reflected(transformed(turned(z, theta[0]), -1), reflections[0])
    z = [z[k] for k in cell.permutation.tolist()]
    z = reflected(transformed(turned(z, theta[1]), +1), reflections[1])
    return turned(z, theta[2])


def matrix_by_definition(cell):
    N = cell.hidden_size // 2
    columns = [recurrent_product(cell, [complex(n == k) for n in range(N)]) for k in range(N)]
    return torch.tensor(columns, dtype=torch.complex128).T


def matrix_of_the_step(cell):
    """Column k is where a step without input takes the k-th unit vector, as long as the bias is zero."""
    N = cell.hidden_size // 2
    unit_vectors = torch.eye(N, dtype=torch.complex128)
    _, z = cell(torch.zeros(N, cell.input_size).double(), (torch.zeros(N, cell.hidden_size).double(), unit_vectors))
    return z.detach().T


def test_a_step_by_hand():
    """N=2, I=1, every weight a number of its own; one unit is on, the other off."""
    cell = UnitaryRNNCell(1, 4).double()
    with torch.no_grad():
        cell.phases.copy_(torch.tensor([[0.1, -0.7], [1.3, 2.1], [-2.9, 0.4]]))
        cell.reflections.copy_(torch.tensor([[[0.3, -0.8], [0.6, 0.2]], [[-0.5, 0.9], [0.7, -0.1]]]))
        cell.V.weight.copy_(torch.tensor([[0.25], [-0.5], [0.75], [1.25]]))  # rows Re, Re, Im, Im
        cell.b.copy_(torch.tensor([-0.125, -5.0]))
        cell.permutation.copy_(torch.tensor([1, 0]))
    x, z = 0.9, [0.4 - 0.3j, -1.1 + 0.6j]
    turned = recurrent_product(cell, z)
    new = [turned[0] + (0.25 + 0.75j) * x, turned[1] + (-0.5 + 1.25j) * x]
    assert abs(new[0]) > 0.125
    assert abs(new[1]) < 5.0
    first = (abs(new[0]) - 0.125) * new[0] / abs(new[0])

    state = (torch.full((1, 4), math.nan).double(), torch.tensor([z], dtype=torch.complex128))  # h is not read
    got_h, got_z = cell(torch.tensor([[x]], dtype=torch.float64), state)
    # a few dozen roundings of float64
    torch.testing.assert_close(got_z, torch.tensor([[first, 0]], dtype=torch.complex128), rtol=0, atol=1e-14)
    assert torch.equal(got_h, torch.cat([got_z.real, got_z.imag], dim=-1))


@pytest.mark.parametrize("H", [2, 6, 16, 34])
def test_the_recurrent_matrix_is_unitary_and_the_product_of_its_factors(H):
    torch.manual_seed(0)
    cell = UnitaryRNNCell(3, H).double()
    W = matrix_of_the_step(cell)
    one = torch.eye(H // 2, dtype=torch.complex128)
    z = torch.randn(7, H // 2, dtype=torch.complex128)
    _, moved = cell(torch.zeros(7, 3).double(), (torch.zeros(7, H).double(), z))
    # sums of at most 17 terms of order 1, six factors: some 1e-15 each
    torch.testing.assert_close(W, matrix_by_definition(cell), rtol=0, atol=1e-12)
    torch.testing.assert_close(W.mH @ W, one, rtol=0, atol=1e-12)
    torch.testing.assert_close(W @ W.mH, one, rtol=0, atol=1e-12)
    torch.testing.assert_close(moved, z @ W.T, rtol=0, atol=1e-12)
    torch.testing.assert_close(moved.norm(dim=-1), z.norm(dim=-1), rtol=1e-12, atol=0)


def test_it_stays_unitary_whatever_it_learns():
    torch.manual_seed(0)
    cell = UnitaryRNNCell(3, 16).double()
    with torch.no_grad():
        for weights in (cell.phases, cell.reflections):
            weights.mul_(37.0).add_(torch.randn_like(weights))
    W = matrix_of_the_step(cell)
    torch.testing.assert_close(W.mH @ W, torch.eye(8, dtype=torch.complex128), rtol=0, atol=1e-12)


def test_state_and_gradient_keep_their_norms_over_1000_steps():
    torch.manual_seed(0)
    cell = UnitaryRNNCell(2, 16).double()
    start = torch.randn(3, 8, dtype=torch.complex128, requires_grad=True)
    state = (torch.zeros(3, 16).double(), start)
    for _ in range(1000):
        state = cell(torch.zeros(3, 2).double(), state)
    weights = torch.randn(3, 16, dtype=torch.float64)
    (gradient,) = torch.autograd.grad((state[0] * weights).sum(), start)
    # a thousand steps with a rounding of some 1e-16 each
    torch.testing.assert_close(state[1].norm(dim=-1), start.norm(dim=-1), rtol=1e-9, atol=0)
    torch.testing.assert_close(gradient.norm(dim=-1), weights.norm(dim=-1), rtol=1e-9, atol=0)


def test_modrelu_by_hand():
    z = torch.tensor([3 - 4j, 3 - 4j, 3 - 4j, 3 - 4j, 0, 0, 0], dtype=torch.complex128, requires_grad=True)
    b = torch.tensor([0.0, 5.0, -2.5, -6.0, 0.0, 2.0, -2.0], dtype=torch.float64, requires_grad=True)
    result = modrelu(z, b)
    wanted = torch.tensor([3 - 4j, 6 - 8j, 1.5 - 2j, 0, 0, 0, 0], dtype=torch.complex128)
    torch.testing.assert_close(result, wanted, rtol=1e-15, atol=0)

    dz, db = torch.autograd.grad(result.real.sum(), (z, b))
    # the real part is (1 + b/|z|) a for z = a + ib, with ∂/∂a = 1 + b/|z| − b a²/|z|³ and ∂/∂b = a/|z| where it is on
    on = [(1 + b / 5 - b * 9 / 125) + 1j * (b * 12 / 125) for b in (0.0, 5.0, -2.5)]
    torch.testing.assert_close(dz, torch.tensor([*on, 0, 0, 0, 0], dtype=torch.complex128), rtol=1e-14, atol=1e-15)
    assert db.tolist() == pytest.approx([0.6, 0.6, 0.6, 0, 0, 0, 0], rel=1e-15)


def test_a_unit_that_is_off_passes_nothing_on():
    torch.manual_seed(0)
    cell = UnitaryRNNCell(2, 8).double()
    with torch.no_grad():
        cell.b.fill_(-100.0)
    x, z = torch.randn(3, 2, dtype=torch.float64, requires_grad=True), torch.randn(3, 4, dtype=torch.complex128)
    z.requires_grad_()
    h, new = cell(x, (torch.zeros(3, 8).double(), z))
    assert h.count_nonzero() == 0
    gradients = torch.autograd.grad(h.sum() + new.imag.sum(), (x, z, *cell.parameters()), allow_unused=True)
    assert all(gradient is None or gradient.count_nonzero() == 0 for gradient in gradients)
    h, new = h.detach(), new.detach()
    for _ in range(3):  # and a state that is zero makes no nan
        h, new = cell(torch.zeros(3, 2).double(), (h, new))
    gradients = torch.autograd.grad(h.sum(), [p for p in cell.parameters() if p is not cell.start])
    assert all(torch.equal(gradient, torch.zeros_like(gradient)) for gradient in gradients)


def test_gradcheck():
    torch.manual_seed(0)
    cell = UnitaryRNNCell(2, 6).double()
    with torch.no_grad():
        cell.b.normal_(0.0, 0.1)
    names, parameters = zip(*[(n, p) for n, p in cell.named_parameters() if n != "start"], strict=True)
    x = torch.randn(4, 2, dtype=torch.float64, requires_grad=True)
    z = torch.randn(4, 3, dtype=torch.complex128, requires_grad=True)

    def step(x, z, *values):
        return functional_call(cell, dict(zip(names, values, strict=True)), (x, (x, z)))

    assert torch.autograd.gradcheck(step, [x, z, *parameters])


def test_gradcheck_of_a_sequence_from_the_learned_start():
    torch.manual_seed(0)
    model = SequenceModel(UnitaryRNNCell(2, 6), output_size=2).double()
    with torch.no_grad():
        model.cells[0].b.normal_(0.0, 0.1)
    names, parameters = zip(*model.named_parameters(), strict=True)
    assert "cells.0.start" in names
    x = torch.randn(3, 4, 2, dtype=torch.float64)
    assert torch.autograd.gradcheck(
        lambda *values: functional_call(model, dict(zip(names, values, strict=True)), (x,)), parameters
    )


@pytest.mark.parametrize(("real", "complex_"), [(torch.float32, torch.complex64), (torch.float64, torch.complex128)])
def test_the_learned_start_comes_in_the_type_that_is_asked_for(real, complex_):
    torch.manual_seed(0)
    cell = UnitaryRNNCell(2, 6).to(real)
    h, z = cell.initial_state(5, dtype=real)
    assert (h.shape, h.dtype, z.shape, z.dtype) == ((5, 6), real, (5, 3), complex_)
    assert torch.equal(h, cell.start.expand(5, 6))
    assert torch.equal(torch.cat([z.real, z.imag], dim=-1), h)
    assert cell.memory((h, z)) is z
    h, z = cell(torch.randn(5, 2, dtype=real), (h, z))
    assert (h.dtype, z.dtype) == (real, complex_)
    assert cell.double().initial_state(5)[1].dtype is torch.complex64  # of torch's default type, if none is asked for


def test_it_runs_on_the_meta_device():
    cell = UnitaryRNNCell(2, 6).to("meta")
    h, z = cell(torch.zeros(5, 2, device="meta"), cell.initial_state(5, device=torch.device("meta")))
    assert (h.shape, h.device.type, z.shape, z.device.type) == ((5, 6), "meta", (5, 3), "meta")


def test_it_starts_as_in_the_paper():
    """Each kind of weight fills its interval, and hardly misses its ends, of which many draws come near."""
    torch.manual_seed(0)
    cell = UnitaryRNNCell(10, 2000)
    for weights, bound in (
        (cell.phases, math.pi),
        (cell.reflections, 1.0),
        (cell.V.weight, math.sqrt(6 / 1010)),  # Glorot: 10 inputs and 1000 complex units
        (cell.start, math.sqrt(3 / 2000)),
    ):
        assert 0.99 * bound < weights.max() <= bound
        assert -bound <= weights.min() < -0.99 * bound
        assert weights.var().item() == pytest.approx(bound**2 / 3, rel=0.1)  # some 2 % is the standard deviation
    # the squared norm of the start is 1 on average: 2000 terms, a standard deviation of 2 %
    assert cell.initial_state(1)[1].norm().item() ** 2 == pytest.approx(1, abs=0.1)
    assert cell.b.count_nonzero() == 0
    assert sorted(cell.permutation.tolist()) == list(range(1000))


def test_the_permutation_belongs_to_the_seed_and_travels_with_the_weights():
    cells = []
    for seed in (0, 0, 1):
        torch.manual_seed(seed)
        cells.append(UnitaryRNNCell(2, 64))
    assert torch.equal(cells[0].permutation, cells[1].permutation)
    assert not torch.equal(cells[0].permutation, cells[2].permutation)
    cells[2].load_state_dict(cells[0].state_dict())
    assert torch.equal(cells[0].permutation, cells[2].permutation)
    assert cells[0].double().permutation.dtype is torch.int64


def test_all_parameters_are_real():
    cell = UnitaryRNNCell(2, 6)
    assert all(isinstance(p, nn.Parameter) and p.dtype is torch.float32 for p in cell.parameters())
    assert {name for name, _ in cell.named_parameters()} == {"phases", "reflections", "V.weight", "b", "start"}


def test_an_odd_size_is_refused():
    with pytest.raises(ValueError, match="hidden_size must be even"):
        UnitaryRNNCell(2, 5)


@pytest.mark.parametrize("size", [0, 2.0, True])
def test_a_size_that_is_no_positive_integer_is_refused(size):
    with pytest.raises(ValueError, match="hidden_size must be a positive integer"):
        UnitaryRNNCell(2, size)
