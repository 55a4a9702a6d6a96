import math

import pytest
import torch

from longlag.flow.decay import decay, half_life


@pytest.mark.parametrize(
    ("factor", "expected"),
    [
        (0.5, 1.0),
        (1 / (1 + math.exp(-1)), 2.2127),
        (1 / (1 + math.exp(-5)), 103.2),
        (0.0, 0.0),
        (1.0, math.inf),
        (1.2, math.inf),
    ],
)
def test_half_lives_of_known_forget_gates(factor, expected):
    """σ(1) and σ(5) forget half within 2.21 and 103 steps."""
    assert half_life(factor) == pytest.approx(expected, rel=1e-3)


@pytest.mark.parametrize("factor", [1e-5, 0.7, 1.0, 1.3])
def test_a_straight_line_is_found_however_low_it_lies(factor):
    lags = torch.arange(50, dtype=torch.float64)[:, None]
    norms = -100 + lags * math.log10(factor) + torch.tensor([[0.0, 3.0, -5.0]])
    assert decay(norms) == pytest.approx(factor, rel=1e-12)


def test_the_line_is_that_of_least_squares():
    norms = torch.randn(30, 4, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    lags = torch.arange(30, dtype=torch.float64)
    X = torch.stack([torch.ones(30, dtype=torch.float64), lags], dim=1)
    slope = torch.linalg.lstsq(X, norms.mean(1)[:, None]).solution[1].item()
    assert decay(norms) == pytest.approx(10**slope, rel=1e-10)


def test_lags_that_few_sequences_reach_and_lags_without_a_gradient_do_not_count():
    """A third sequence of four reaching no further than lag 9, the fit goes on to where half of them are left."""
    norms = -0.1 * torch.arange(20, dtype=torch.float64)[:, None].repeat(1, 4)
    norms[10:, :2] = torch.nan
    norms[15:, 2] = torch.nan
    norms[15:, 3] = 50.0  # only one is left
    norms[4] = -math.inf
    assert decay(norms) == pytest.approx(10**-0.1, rel=1e-12)


def test_there_is_no_decay_without_two_lags():
    assert decay(torch.tensor([[1.0], [-math.inf], [-math.inf]], dtype=torch.float64)) is None
