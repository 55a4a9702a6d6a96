import cmath
import math

import pytest
import torch
from torch.func import functional_call

from longlag.cells.lru import LRUCell
from longlag.engine.eager import unroll


@pytest.mark.parametrize("gelu", [False, True])
def test_a_step_by_hand(gelu):
    """I=1, N=1, H=1, every parameter a number of its own; the arithmetic is written out with math alone."""
    cell = LRUCell(1, 1, gelu=gelu).double()
    numbers = {"nu_log": -2.0, "theta_log": -0.3, "gamma_log": -0.7, "D": 0.15}
    numbers |= {"B_re": 0.2, "B_im": -0.4, "C_re": 0.6, "C_im": 0.8}
    with torch.no_grad():
        for name, value in numbers.items():
            getattr(cell, name).fill_(value)
    x, m = 0.9, complex(-0.5, 0.25)
    eigenvalue = cmath.exp(complex(-math.exp(-2.0), math.exp(-0.3)))
    m_new = eigenvalue * m + math.exp(-0.7) * complex(0.2, -0.4) * x
    h_new = (complex(0.6, 0.8) * m_new).real + 0.15 * x
    if gelu:
        h_new *= (1 + math.erf(h_new / math.sqrt(2))) / 2
    h, c = cell(
        torch.tensor([[x]], dtype=torch.float64),
        (torch.tensor([[7.0]], dtype=torch.float64), torch.tensor([[m]], dtype=torch.complex128)),
    )
    # a handful of roundings in float64
    assert h.item() == pytest.approx(h_new, rel=1e-14)
    assert c.item() == pytest.approx(m_new, rel=1e-14)


def test_gradcheck():
    torch.manual_seed(0)
    cell = LRUCell(2, 3, state_size=4, gelu=True).double()
    x = torch.randn(5, 2, dtype=torch.float64, requires_grad=True)
    m = torch.randn(5, 4, dtype=torch.complex128, requires_grad=True)
    h = torch.zeros(5, 3, dtype=torch.float64)
    weights = dict(cell.named_parameters())
    assert torch.autograd.gradcheck(
        lambda x, m, *values: functional_call(cell, dict(zip(weights, values, strict=True)), (x, (h, m))),
        (x, m, *weights.values()),
    )


def test_the_impulse_response():
    """h_k = Re(C Λᵏ γ B) + D δ_k: the response to a one in one channel, summed up in Python's own complex numbers."""
    torch.manual_seed(0)
    I, H, N, T = 2, 3, 4, 40  # noqa: E741
    cell = LRUCell(I, H, state_size=N).double()
    p = {name: value.tolist() for name, value in cell.named_parameters()}
    for channel in range(I):
        x = torch.zeros(1, T, I, dtype=torch.float64)
        x[0, 0, channel] = 1
        got = unroll(cell, x)[0][0]
        for k in range(T):
            for row in range(H):
                want = p["D"][row][channel] if k == 0 else 0.0
                for n in range(N):
                    eigenvalue = cmath.exp(complex(-math.exp(p["nu_log"][n]), math.exp(p["theta_log"][n])))
                    b = math.exp(p["gamma_log"][n]) * complex(p["B_re"][n][channel], p["B_im"][n][channel])
                    want += (complex(p["C_re"][row][n], p["C_im"][row][n]) * eigenvalue**k * b).real
                assert got[k, row].item() == pytest.approx(
                    want, rel=1e-11, abs=1e-13
                )  # sums of N terms that may cancel


@pytest.mark.parametrize(("r_min", "r_max", "max_phase"), [(0.9, 0.999, 6.28), (0.0, 1.0, 6.28), (0.5, 0.6, 0.3)])
def test_the_eigenvalues_are_spread_evenly_over_the_ring(r_min, r_max, max_phase):
    torch.manual_seed(0)
    N = 4000
    cell = LRUCell(1, 1, N, r_min, r_max, max_phase)
    radius, phase = cell.eigenvalues().abs(), torch.exp(cell.theta_log)
    assert r_min - 1e-6 <= radius.min()
    assert radius.max() <= r_max + 1e-6
    assert phase.min() > 0
    assert phase.max() <= max_phase * (1 + 1e-6)
    expected = (torch.arange(N) + 0.5) / N
    below = (radius**2 - r_min**2) / (r_max**2 - r_min**2)  # the share of the ring's area inside |Λ|
    # Kolmogorov and Smirnov's bound, which 99.9 % of even samples keep; drawn evenly in |Λ| the second ring is 0.25 off
    bound = 1.95 / math.sqrt(N)
    assert (below.sort().values - expected).abs().max() < bound
    assert (phase.sort().values / max_phase - expected).abs().max() < bound
    lone = torch.stack([below - 0.5, phase / max_phase - 0.5])
    assert abs(torch.corrcoef(lone)[0, 1]) < 4 / math.sqrt(N)  # four standard deviations of independent draws
    gamma = torch.exp(cell.gamma_log.double())
    # float32 parameters: near the unit circle 1 − |Λ|² has few digits left
    torch.testing.assert_close(gamma**2, 1 - cell.double().eigenvalues().abs() ** 2, rtol=1e-4, atol=1e-6)


def test_the_variances_at_the_start():
    """1/2I for each part of B, 1/N for each part of C, 1/I for D: within 5 % on tens of thousands of draws."""
    torch.manual_seed(0)
    cell = LRUCell(50, 300, state_size=200)
    wanted = {"B_re": 1 / 100, "B_im": 1 / 100, "C_re": 1 / 200, "C_im": 1 / 200, "D": 1 / 50}
    for name, variance in wanted.items():
        assert getattr(cell, name).var().item() == pytest.approx(variance, rel=0.05)
    assert abs(torch.corrcoef(torch.stack([cell.B_re.flatten(), cell.B_im.flatten()]))[0, 1]) < 0.05


def test_white_noise_leaves_every_memory_with_variance_one():
    """Whatever its eigenvalue: that is what γ is for. The sum over lags is taken in closed form."""
    torch.manual_seed(0)
    cell = LRUCell(4000, 1, state_size=50).double()
    radius = cell.eigenvalues().abs()
    b = torch.complex(cell.B_re, cell.B_im) * torch.exp(cell.gamma_log)[:, None]
    variance = b.abs().square().sum(1) / (1 - radius**2)
    torch.testing.assert_close(variance, torch.ones_like(variance), rtol=0.1, atol=0)  # 4000 draws: 2 % a memory


@pytest.mark.parametrize("gelu", [False, True])
def test_without_a_gelu_the_whole_cell_is_linear_in_the_inputs(gelu):
    torch.manual_seed(0)
    cell = LRUCell(2, 3, gelu=gelu).double()
    one, two = torch.randn(2, 4, 9, 2, dtype=torch.float64)
    together, apart = unroll(cell, one + two)[0], unroll(cell, one)[0] + unroll(cell, two)[0]
    assert torch.allclose(together, apart, rtol=0, atol=1e-13) is not gelu


@pytest.mark.parametrize(
    ("asked", "real", "complex_"),
    [
        (None, torch.float32, torch.complex64),
        (torch.float32, torch.float32, torch.complex64),
        (torch.float64, torch.float64, torch.complex128),
    ],
)
def test_the_state_starts_at_zero_in_the_type_asked_for(asked, real, complex_):
    h, c = LRUCell(2, 3, state_size=4).initial_state(5, dtype=asked)
    assert (h.shape, h.dtype) == ((5, 3), real)
    assert (c.shape, c.dtype) == ((5, 4), complex_)
    assert not h.any()
    assert not c.any()


def test_it_moves_as_a_whole():
    """All parameters are real, so that ``double`` takes them along; and it runs where there are no numbers."""
    cell = LRUCell(2, 3).double()
    assert {p.dtype for p in cell.parameters()} == {torch.float64}
    h, c = cell(torch.zeros(4, 2, dtype=torch.float64), cell.initial_state(4, dtype=torch.float64))
    assert (h.dtype, c.dtype) == (torch.float64, torch.complex128)
    with torch.device("meta"):
        nowhere = LRUCell(2, 3)
    h, c = nowhere(torch.zeros(4, 2, device="meta"), nowhere.initial_state(4, device=torch.device("meta")))
    assert (h.shape, c.shape) == ((4, 3), (4, 3))


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"state_size": 0}, "state_size must be a positive integer, got 0"),
        ({"state_size": True}, "state_size must be a positive integer, got True"),
        ({"r_min": "0"}, "r_min must be a number, got '0'"),
        ({"r_max": True}, "r_max must be a number, got True"),
        ({"max_phase": None}, "max_phase must be a number, got None"),
        ({"r_min": -0.1}, "0 <= r_min < r_max <= 1, got r_min=-0.1"),
        ({"r_min": 0.999}, "0 <= r_min < r_max <= 1"),
        ({"r_max": 1.001}, "0 <= r_min < r_max <= 1"),
        ({"r_max": float("nan")}, "r_max must be a number, got nan"),
        ({"max_phase": 0.0}, "max_phase must be greater than 0 and at most 2π, got 0.0"),
        ({"max_phase": 6.3}, "max_phase must be greater than 0 and at most 2π, got 6.3"),
        ({"gelu": 1}, "gelu must be true or false, got 1"),
    ],
)
def test_settings_that_make_no_sense_are_refused(settings, message):
    with pytest.raises(ValueError, match=message):
        LRUCell(2, 3, **settings)
