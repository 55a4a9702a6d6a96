"""Singular values and Lyapunov exponents of long products of matrices, right far below the smallest float64.

The code never forms a product P = J_k … J_1: its small singular values would drown in the rounding of the large ones,
and then underflow. It keeps the product as Q D W instead: Q orthogonal, D diagonal, in logarithms, and W well
conditioned, with rows of length 1, or 0 where D is 0. A QR decomposition of J Q D with column pivoting adds the next
factor, without multiplying the scales D out. At the end, rotations of pairs of rows give the singular values of D W;
for a matrix of this form, all of them have small relative errors.

Accuracy: a factor enters with an error of about ε = 2e-16 of its norm, which changes every singular value of the
product by a factor of at most 1 ± ε κ(J): the relative error is about ε n Σ κ(J_t), the sum of the condition numbers of
the *single* factors, whatever the condition of the product. When a factor maps a direction q, the component of J q
orthogonal to the earlier directions can be as small as the rounding errors: those of J q, 4 √n ε ‖|J| |q|‖, and those
of the earlier directions. Such a direction counts as lost, with a singular value of 0 and a logarithm of −∞.

Sources: Benettin, Galgani, Giorgilli & Strelcyn 1980 for the exponents by orthonormalisation along the way. The
rotations of pairs are Hestenes' one-sided form of Jacobi's method.
"""

import math
from collections.abc import Callable, Iterator, Sequence

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]

_EPS = float(np.finfo(np.float64).eps)
_TINY = float(np.finfo(np.float64).tiny)
_LAST = -1e300  # the score of a lost column: after all others, but before the columns already chosen
_CLOSE = 1e-9  # a sweep that begins with angles of this size ends with their squares
_SWEEPS = 30  # of rotations; about seven suffice


def log_singular_values(factors: Array, at: Sequence[int]) -> Array:
    """Return the natural logarithms of the singular values of J_k … J_1.

    Args:
        factors: J_1, J_2, …, [B, S, n, n], for each of B products.
        at: the values of k, rising, each from 1 to S.

    Returns:
        [B, K, n], the largest first; −∞ for a singular value that is 0.

    """
    logs = _by_blocks(factors, lambda block: _product(block, at))
    return -np.sort(-logs, axis=-1)


def lyapunov_exponents(factors: Array, steps: NDArray[np.int64] | None = None) -> Array:
    """Return the Lyapunov exponents: the mean growth per factor along each of n directions, as a natural logarithm.

    The factors carry an orthonormal basis along, J_t Q_{t−1} = Q_t R_t, and the exponents are the means of log |R_ii|.
    Their sum is the mean of log |det J_t|. For a long trajectory, one would discard the first part, in which the basis
    turns into its place. The sequences here are too short for that: the initial basis is a random one, carried forward
    along the factors and back along the transposed factors.

    Args:
        factors: J_1, J_2, …, [B, S, n, n].
        steps: the number of factors that count for each of the B products [B]; the factors after them must be the
            identity. Without it, all factors count.

    Returns:
        [B, n], the largest first; −∞ for a direction that is lost.

    """
    growth = _by_blocks(factors, lambda block: _growth(block)[:, None])[:, 0]
    counted = np.full(len(factors), factors.shape[1]) if steps is None else steps
    return -np.sort(-growth / counted[:, None], axis=-1)


def _by_blocks(factors: Array, of: Callable[[Array], Array]) -> Array:
    """Apply ``of`` to each part of the space that no factor connects with another, and join the results [B, K, n].

    Then no rounding error passes from one part to another, and small problems are fast.
    """
    B, S = factors.shape[:2]
    parts = []
    for blocks in _blocks(factors):  # [blocks, m]
        m = blocks.shape[1]
        part = factors[:, :, blocks[:, :, None], blocks[:, None, :]]  # [B, S, blocks, m, m]
        part = np.moveaxis(part, 2, 1).reshape(-1, S, m, m)
        values = of(part)  # [B · blocks, K, m]
        parts.append(np.moveaxis(values.reshape(B, len(blocks), -1, m), 1, 2).reshape(B, -1, len(blocks) * m))
    return np.concatenate(parts, axis=-1)


def _blocks(factors: Array) -> Iterator[NDArray[np.int64]]:
    """Yield the indices of connected coordinates, [blocks, size], once for each size."""
    touched = (factors != 0).any(axis=(0, 1))
    joined = touched | touched.T | np.eye(len(touched), dtype=bool)
    free = np.ones(len(touched), dtype=bool)
    blocks = []
    while free.any():
        block = joined[free.argmax()]
        while (wider := joined[block].any(axis=0)).sum() > block.sum():
            block = wider
        blocks.append(np.flatnonzero(block))
        free &= ~block
    for size in sorted({len(block) for block in blocks}):
        yield np.stack([block for block in blocks if len(block) == size])


def _product(factors: Array, at: Sequence[int]) -> Array:
    """Return the logarithms of the singular values of the products [B, K, n], unsorted."""
    B, _, n, _ = factors.shape
    Q = W = np.broadcast_to(np.eye(n), (B, n, n))
    log_d = np.zeros((B, n))
    logs = []
    for k in range(1, at[-1] + 1):
        Q, log_d, T = _decomposed(*_carried(factors[:, k - 1], Q), log_d)
        W, grown = _normalised(T @ W)
        log_d = log_d + grown
        if k in at:
            logs.append(_log_singular_values_of(log_d, W))
    return np.stack(logs, axis=1)


def _growth(factors: Array) -> Array:
    """Return the sums of log |R_ii| along the factors, [B, n]."""
    B, S, n, _ = factors.shape
    start = np.random.default_rng(0).standard_normal((n, n))
    Q = np.broadcast_to(np.linalg.qr(start)[0], (B, n, n))
    for t in range(S):
        Q = np.linalg.qr(factors[:, t] @ Q)[0]
    for t in reversed(range(S)):
        Q = np.linalg.qr(np.swapaxes(factors[:, t], -1, -2) @ Q)[0]
    total = np.zeros((B, n))
    for t in range(S):
        columns, lengths, noise = _carried(factors[:, t], Q)
        Q, R = np.linalg.qr(np.swapaxes(columns, -1, -2))
        left = np.abs(np.diagonal(R, axis1=-2, axis2=-1))
        for i in range(n):  # the rounding of a direction enters every later one
            passed = (noise[:, i] / np.maximum(left[:, i], noise[:, i]))[:, None] * R[:, i, i + 1 :]
            noise[:, i + 1 :] = np.hypot(noise[:, i + 1 :], passed)
        total = total + _log(np.where(left <= noise, 0, left)) + lengths
    return total


def _carried(J: Array, Q: Array) -> tuple[Array, Array, Array]:
    """Return the columns of J Q as rows of length 1, the logarithms of their lengths, and their rounding errors.

    Args:
        J: [B, n, n].
        Q: [B, n, n].

    """
    columns, lengths = _normalised(np.swapaxes(J @ Q, -1, -2))
    _, sizes = _normalised(np.swapaxes(np.abs(J) @ np.abs(Q), -1, -2))
    there = np.isfinite(lengths)
    cancelled = np.where(there, sizes, 0) - np.where(there, lengths, 0)  # a logarithm; beyond 40 only rounding is left
    cancelled = np.minimum(cancelled, 100)
    return columns, lengths, _noise(J.shape[-1]) * np.exp(cancelled)


def _decomposed(columns: Array, lengths: Array, noise: Array, log_scale: Array) -> tuple[Array, Array, Array]:
    """Return Q, log D and T with A diag(e^log_scale) = Q D T: T's entries are at most about 1, and D falls.

    Args:
        columns: the columns of A as rows of length 1 or 0, [B, n, n].
        lengths: the logarithms of their real lengths [B, n].
        noise: the rounding error of each column of length 1 [B, n].
        log_scale: [B, n]; the ratios of the scales may exceed the range of float64.

    """
    scale = lengths + log_scale
    order, lost = _pivots(columns, noise, scale)
    scale = np.take_along_axis(scale, order, axis=1)
    Q, R = np.linalg.qr(np.swapaxes(np.take_along_axis(columns, order[..., None], axis=1), -1, -2))
    log_d = np.where(lost, -np.inf, _log(np.abs(np.diagonal(R, axis1=-2, axis2=-1))) + scale)
    gone = np.isinf(log_d)
    known = np.where(gone, 0, log_d)
    ratio = np.where(gone[..., None], -np.inf, scale[:, None, :] - known[..., None])  # where D is 0, so is the row of T
    sorted_T = np.sign(R) * np.exp(_log(np.abs(R)) + ratio)
    T = np.empty_like(sorted_T)
    np.put_along_axis(T, np.broadcast_to(order[:, None, :], T.shape), sorted_T, axis=2)
    return Q, log_d, T


def _pivots(columns: Array, noise: Array, log_scale: Array) -> tuple[NDArray[np.int64], NDArray[np.bool_]]:
    """Return the order of the pivots [B, n], and whether each of them is lost [B, n].

    The next pivot is the column with the largest component, times its scale, orthogonal to the pivots before.

    Args:
        columns: rows of length 1 or 0, [B, n, n].
        noise: a column whose remaining component is not above this is lost [B, n].
        log_scale: the scales of the columns [B, n].

    """
    B, n, _ = columns.shape
    left, noise = columns.copy(), noise.copy()
    order, lost, chosen = np.empty((B, n), int), np.empty((B, n), bool), np.zeros((B, n), bool)
    rows = np.arange(B)
    for i in range(n):
        length = np.sqrt(np.einsum("bij,bij->bi", left, left))
        score = _log(np.where(length <= noise, 0, length)) + log_scale
        best = np.where(chosen, -np.inf, np.maximum(score, _LAST)).argmax(axis=1)
        order[:, i], lost[:, i] = best, score[rows, best] <= _LAST
        chosen[rows, best] = True
        kept = np.where(lost[:, i], 0, 1 / np.maximum(length[rows, best], _TINY))
        direction = left[rows, best] * kept[:, None]
        shared = (left @ direction[..., None])[..., 0]
        left -= shared[..., None] * direction[:, None, :]
        noise = np.hypot(
            noise, shared * (noise[rows, best] * kept)[:, None]
        )  # a direction passes on its rounding error
    return order, lost


def _log_singular_values_of(log_d: Array, W: Array) -> Array:
    """Return the logarithms of the singular values of D W [B, n], unsorted.

    One more decomposition, of the transpose, makes the rows almost orthogonal; rotations do the rest.
    """
    n = W.shape[-1]
    _, log_d, T = _decomposed(W, np.zeros_like(log_d), np.full_like(log_d, _noise(n)), log_d)
    rows, grown = _normalised(T)
    length = log_d + grown
    if n % 2:  # one row pauses in each round
        rows = np.concatenate([rows, np.zeros_like(rows[:, :1])], axis=1)
        length = np.concatenate([length, np.full_like(length[:, :1], -np.inf)], axis=1)
    for _ in range(_SWEEPS):
        worst = max(_rotate(rows, length, *pair) for pair in _pairs(rows.shape[1]))
        rows, grown = _normalised(rows)  # the lengths computed from the angles have a rounding error each
        length = np.where(np.isfinite(length), length + grown, length)
        if worst <= _CLOSE:
            break
    return length[:, :n] if n % 2 == 0 else -np.sort(-length, axis=1)[:, :n]


def _rotate(rows: Array, length: Array, i: NDArray[np.int64], j: NDArray[np.int64]) -> float:
    """Make rows i and j orthogonal, in place, the longer one first; return the largest cosine between them before.

    With a and b of length 1, the scales α ≥ β, g = a·b and r = β/α, the rotation by an angle of tangent t = q r with
    q = 2g / (1 − r² + √((1 − r²)² + 4g²r²)) gives a + t r b on the scale α and b − q a on the scale β: both are right
    even if r underflows.
    """
    a, b = rows[:, i], rows[:, j]
    g = np.einsum("bpi,bpi->bp", a, b)
    upper, lower = np.maximum(length[:, i], length[:, j]), np.minimum(length[:, i], length[:, j])
    g[~np.isfinite(lower)] = 0  # a lost row is orthogonal to all
    worst = float(np.abs(g).max())
    if worst <= _EPS:
        return worst
    swapped = (length[:, i] < length[:, j])[..., None]
    a, b = np.where(swapped, b, a), np.where(swapped, a, b)
    r = np.exp(np.where(g == 0, -np.inf, lower) - np.where(g == 0, 0, upper))
    gap = (1 - r) * (1 + r)
    q = 2 * g / np.where(g == 0, 1, gap + np.sqrt(gap**2 + (2 * g * r) ** 2))
    t = q * r
    stretched, shrunk = np.sqrt(1 + 2 * t * r * g + (t * r) ** 2), np.sqrt(1 - 2 * q * g + q**2)
    rows[:, i] = (a + (t * r)[..., None] * b) / stretched[..., None]
    rows[:, j] = (b - q[..., None] * a) / shrunk[..., None]
    turned = np.log1p(t**2) / 2
    length[:, i], length[:, j] = upper + (np.log(stretched) - turned), lower + (np.log(shrunk) - turned)
    return worst


def _pairs(n: int) -> Iterator[tuple[NDArray[np.int64], NDArray[np.int64]]]:
    """Yield n − 1 rounds of n/2 pairs, in which each of n rows meets each other row once; n is even."""
    circle = np.arange(1, n)
    for turn in range(n - 1):
        seats = np.concatenate([[0], np.roll(circle, turn)])
        first, second = seats[: n // 2], seats[: n // 2 - 1 : -1]
        yield np.minimum(first, second), np.maximum(first, second)


def _normalised(rows: Array) -> tuple[Array, Array]:
    """Return rows [B, n, m] of length 1, and the logarithms of their lengths [B, n]; a row of zeros stays zero."""
    largest = np.abs(rows).max(axis=-1)
    rows = rows / np.where(largest == 0, 1, largest)[..., None]  # otherwise the square of 1e-200 would be 0
    length = np.sqrt(np.einsum("bij,bij->bi", rows, rows))
    return rows / np.where(length == 0, 1, length)[..., None], _log(largest) + _log(length)


def _noise(n: int) -> float:
    """Return the rounding error of a vector of length 1 whose numbers are sums of n products."""
    return 4 * math.sqrt(n) * _EPS


def _log(x: Array) -> Array:
    """Return the natural logarithm, −∞ for 0."""
    return np.log(x, out=np.full_like(x, -np.inf), where=x > 0)
