"""Rates of decay and half-lives, in steps."""

import math

import torch
from torch import Tensor


def half_life(factor: float) -> float:
    """Return the number of steps that halve a value which each step multiplies by ``factor``: ln ½ / ln factor.

    ``inf`` for a factor of at least 1, and 0 for a factor of 0.
    """
    if factor >= 1:
        return math.inf
    return 0.0 if factor <= 0 else math.log(0.5) / math.log(factor)


def decay(log10_norms: Tensor) -> float | None:
    """Return the factor per step by which gradients change on their way back; see :func:`decays`.

    Args:
        log10_norms: by lag, [K, B]; nan beyond the first step of a sequence.

    """
    return decays(log10_norms[None])[0]


def decays(log10_norms: Tensor) -> list[float | None]:
    """Return the factors per step by which the gradients of R models change on their way back, 10^slope of a line.

    Least squares fit the line to the mean log10 norm over the sequences, against the lag, over the lags that at least
    half of the sequences reach.

    Args:
        log10_norms: by lag, [R, K, B]; nan beyond the first step of a sequence.

    Returns:
        ``None`` where fewer than two lags have a gradient other than 0.

    """
    reached = (~log10_norms.isnan()).sum(2) * 2 >= log10_norms.shape[2]
    means = log10_norms.nanmean(2)  # [R, K]
    counted = reached & means.isfinite()
    count = counted.sum(1, keepdim=True)
    lags = torch.arange(means.shape[1], dtype=means.dtype, device=means.device)
    lag = lags - (lags * counted).sum(1, keepdim=True) / count  # from the mean lag
    y = means.where(counted, 0.0)
    y = y - y.sum(1, keepdim=True) / count
    slopes = (lag * y).where(counted, 0.0).sum(1) / lag.square().where(counted, 0.0).sum(1)
    return [10**slope if n >= 2 else None for slope, n in zip(slopes.tolist(), count.flatten().tolist(), strict=True)]
