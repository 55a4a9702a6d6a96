"""Long products: against products of a thousand digits, and cases that can be written down."""

import math

import numpy as np
import pytest
from exact_products import log_singular_values as exact

from longlag.spectrum.log_products import log_singular_values, lyapunov_exponents

EPS = 2.2e-16


def draws(*shape, seed=0, scale=1.0):
    return scale * np.random.default_rng(seed).standard_normal(shape)


def repeated(A, S, B=1):
    return np.broadcast_to(np.asarray(A, dtype=float), (B, S, *np.shape(A))).copy()


def rounding(factors):
    """What the module promises: n ε times the sum of the conditions of the single factors."""
    return factors.shape[-1] * EPS * np.linalg.cond(factors).sum(axis=-1).max()


@pytest.mark.parametrize(("n", "S", "scale"), [(2, 150, 1e-4), (3, 60, 1.0), (5, 90, 1e-6), (6, 90, 1e4)])
def test_random_factors_against_a_product_of_many_digits(n, S, scale):
    factors = draws(2, S, n, n, scale=scale)
    at = [1, 2, 7, S // 2, S]
    found = log_singular_values(factors, at)
    assert found.shape == (2, 5, n)
    for b in range(2):
        for place, k in enumerate(at):
            wanted = exact(factors[b, :k])
            assert found[b, place] == pytest.approx(wanted, abs=rounding(factors[:, :k]), rel=1e-14)
    if scale == 1e-6:
        assert found.min() / math.log(10) < -540  # and no number of its own is as small as that


def test_powers_of_a_known_matrix_far_below_the_smallest_number():
    A = 0.3 * draws(5, 5) * np.array([1.0, 1e-1, 1e-2, 1e-3, 1e-4])
    (found,) = log_singular_values(repeated(A, 120), [120])[:, 0]
    assert found[-1] / math.log(10) < -420
    assert np.linalg.cond(A) < 2e4
    assert found == pytest.approx(exact([A] * 120), abs=120 * 5 * EPS * 2e4)


def test_a_diagonal_and_a_shear_can_be_written_down():
    D = np.diag([0.5, 1e-200, 1e-5])
    found = log_singular_values(repeated(D, 1000), [1, 1000])[0]
    assert found[1] == pytest.approx(1000 * np.log([0.5, 1e-5, 1e-200]), rel=1e-13)
    # [[1, k], [0, 1]] has the singular values e^±asinh(k/2), which grow with k and not as a power of anything
    shear = log_singular_values(repeated([[1, 1], [0, 1]], 1000), [10, 1000])[0]
    for values, k in zip(shear, (10, 1000), strict=True):
        assert values == pytest.approx([math.asinh(k / 2), -math.asinh(k / 2)], abs=1e-11)


def test_a_rotation_stretches_nothing():
    Q = np.linalg.qr(draws(9, 9))[0]
    factors = repeated(Q, 200, B=2)
    assert np.abs(log_singular_values(factors, [1, 200])).max() < 200 * 9 * EPS
    assert np.abs(lyapunov_exponents(factors)).max() < 9 * EPS


def test_one_step_is_what_numpy_says():
    factors = draws(3, 1, 24, 24)
    wanted = np.log(np.linalg.svd(factors[:, 0], compute_uv=False))
    assert log_singular_values(factors, [1])[:, 0] == pytest.approx(wanted, abs=rounding(factors))


@pytest.mark.parametrize("scale", [2.0**-40, 1.0, 2.0**40])  # 40 of which are beyond all numbers, either way
def test_what_is_lost_is_0_and_the_rest_is_right(scale):
    """Factors of whole numbers, in each of which one row is the sum of two others: their ranks are exact."""
    factors = scale * np.random.default_rng(3).integers(-5, 6, (2, 40, 6, 6))
    factors[:, :, 4] = factors[:, :, 0] + factors[:, :, 1]
    factors[:, 35:, 5] = factors[:, 35:, 2] - factors[:, 35:, 0]
    found = log_singular_values(factors, [5, 40])
    for b in range(2):
        for place, (k, rank) in enumerate([(5, 5), (40, 4)]):
            wanted = exact(factors[b, :k])
            assert np.isfinite(wanted).sum() == rank
            assert np.array_equal(np.isfinite(found[b, place]), np.isfinite(wanted))
            # The nonzero part of a factor has a condition below 1e4 here
            assert found[b, place, :rank] == pytest.approx(wanted[:rank], abs=k * 6 * EPS * 1e4)
    exponents = lyapunov_exponents(factors)
    assert (np.isfinite(exponents).sum(axis=1) == 4).all()
    assert np.exp(exponents[:, 4:]).max() == 0
    # The volume that is left is that of the singular values which are not 0, once the start is turned into its place
    assert exponents[:, :4].sum(axis=1) == pytest.approx(found[:, 1, :4].sum(axis=1) / 40, abs=1e-10)


def test_what_a_factor_takes_away_whole_is_lost_and_no_rounding():
    """The second factor has (1, 2, 3) for a null vector, and the first leaves nothing else."""
    first = np.outer([1, 2, 3], [3, 1, 2])
    second = np.array([[2, -1, 0], [3, 0, -1], [0, 3, -2]])
    factors = np.stack([first, second, np.eye(3)])[None].astype(float)
    found = log_singular_values(factors, [1, 2, 3])[0]
    assert found[0] == pytest.approx([math.log(14), -math.inf, -math.inf])
    assert (found[1:] == -math.inf).all()
    assert (lyapunov_exponents(factors) == -math.inf).all()


@pytest.mark.parametrize(("off", "seed"), [(0.02, 0), (0.02, 9), (0.1, 4), (0.1, 14)])
def test_units_that_are_shut_off_one_after_the_other(off, seed):
    """As in a net of rectified units near the identity: at each step some rows of the factor are 0, other ones.

    With these seeds some directions are almost what is left of others, so that the rounding of those is theirs too.
    """
    rng = np.random.default_rng(seed)
    factors = np.eye(10) + off * rng.standard_normal((4, 12, 10, 10))
    factors *= rng.random((4, 12, 10, 1)) > 0.15
    found = log_singular_values(factors, [1, 4, 12])
    exponents = lyapunov_exponents(factors)
    for b in range(4):
        for place, k in enumerate([1, 4, 12]):
            wanted = exact(factors[b, :k], digits=100)
            assert np.array_equal(np.isfinite(found[b, place]), np.isfinite(wanted))
            there = np.isfinite(wanted)
            assert found[b, place, there] == pytest.approx(wanted[there], abs=1e-11)
        assert np.isfinite(exponents[b]).sum() == there.sum()
        assert exponents[b, there].sum() == pytest.approx(wanted[there].sum() / 12, abs=1e-11)


def test_what_is_small_and_no_rounding_is_not_lost():
    factors = repeated([[1, 1], [0, 1e-12]], 3)
    (found,) = log_singular_values(factors, [1, 3])
    # κ ε = 5e-4 in each factor
    assert found[0] == pytest.approx(exact(factors[0, :1]), abs=1e-3)
    assert found[1] == pytest.approx(exact(factors[0]), abs=3e-3)
    assert lyapunov_exponents(factors).sum() == pytest.approx(math.log(1e-12), abs=1e-3)


def test_all_may_be_lost():
    nothing = np.zeros((1, 3, 4, 4))
    assert (log_singular_values(nothing, [1, 3]) == -math.inf).all()
    assert (lyapunov_exponents(nothing) == -math.inf).all()
    shift = repeated(np.eye(4, k=1), 4)  # its fourth power is 0
    counts = np.isfinite(log_singular_values(shift, [1, 2, 3, 4])).sum(axis=-1)
    assert counts.tolist() == [[3, 2, 1, 0]]


def test_parts_that_nothing_connects_are_what_each_is_alone():
    small, large = draws(2, 30, 2, 2, scale=1e-9), draws(2, 30, 3, 3, seed=1)
    factors = np.zeros((2, 30, 6, 6))
    first, second = np.array([0, 4]), np.array([1, 3, 5])
    factors[:, :, first[:, None], first] = small
    factors[:, :, second[:, None], second] = large
    factors[:, :, 2, 2] = 0.5
    for of in (lambda J: log_singular_values(J, [1, 30]), lyapunov_exponents):
        alone = [of(part) for part in (small, large, factors[:, :, 2:3, 2:3])]
        # Equal to the bit but for the scale of a column being taken out or not
        assert of(factors) == pytest.approx(-np.sort(-np.concatenate(alone, axis=-1), axis=-1), abs=1e-13)


def test_the_exponents_add_up_to_the_volume():
    factors = draws(3, 70, 8, 8, scale=1e-3)
    wanted = np.linalg.slogdet(factors)[1].mean(axis=1)
    assert lyapunov_exponents(factors).sum(axis=1) == pytest.approx(wanted, abs=rounding(factors) / 70)


def test_the_exponents_of_a_normal_matrix_are_its_eigenvalues():
    Q = np.linalg.qr(draws(5, 5))[0]
    moduli = np.array([1.2, 0.9, -0.9, 0.3, 1e-3])  # two of the same modulus among them
    A = Q @ np.diag(moduli) @ Q.T
    (found,) = lyapunov_exponents(repeated(A, 100))
    assert found == pytest.approx(np.log(np.abs(moduli)), abs=1e-12)  # κ(A) ε = 3e-13


def test_the_exponents_are_those_of_a_plain_loop_over_a_long_way():
    """Benettin's loop, from any basis: the two forget where they started, and differ by a few units over the length."""
    S = 4000
    factors = draws(1, S, 4, 4, seed=5)
    Q, total = np.eye(4), np.zeros(4)
    for J in factors[0]:
        Q, R = np.linalg.qr(J @ Q)
        total += np.log(np.abs(np.diag(R)))
    assert lyapunov_exponents(factors)[0] == pytest.approx(np.sort(total / S)[::-1], abs=10 / S)


def test_steps_that_do_not_count_change_nothing():
    factors = draws(2, 20, 3, 3)
    factors[1, 12:] = np.eye(3)
    found = lyapunov_exponents(factors, np.array([20, 12]))
    assert found[:1] == pytest.approx(lyapunov_exponents(factors[:1]), abs=1e-14)
    assert found[1:] == pytest.approx(lyapunov_exponents(factors[1:, :12]), abs=1e-13)
