"""Norms of gradients over the units, by the lag."""

import torch
from torch import Tensor

#: Between this number and its inverse, the squares in a norm neither underflow nor overflow.
SQUARES = 1e-140


def log10_norms(gradients: dict[str, Tensor], last: Tensor) -> dict[str, Tensor]:
    """Return log10 of the norms over the units of R models, by the lag, [R, K, B] each.

    Args:
        gradients: of the inputs [R, B, L, I], and of states in the native kernel's layout, [R, blocks, L, H, rows].
        last: the step of lag 0, [R, B].

    """
    B = last.shape[1]
    norms = by_lag(torch.stack([_by_step(unit_norms(each), B) for each in gradients.values()]), last)  # [N, R, K, B]
    logs = torch.log10(norms)
    usual = ((norms > SQUARES) & (norms < 1 / SQUARES)) | norms.isnan()
    if not bool(usual.all()):
        unusual = ~usual.all(3).all(2).all(0)  # [R]
        precise = [_by_step(scaled_log10_norms(each[unusual]), B) for each in gradients.values()]
        logs[:, unusual] = by_lag(torch.stack(precise), last[unusual], len(logs[0, 0]))
    return dict(zip(gradients, logs, strict=True))


def by_lag(values: Tensor, last: Tensor, lags: int | None = None) -> Tensor:
    """Turn values by step [N, R, L, B] into values by lag [N, R, K, B], nan beyond the first step of a sequence."""
    K = int(last.max()) + 1 if lags is None else lags
    steps = last[:, None] - torch.arange(K, device=last.device)[:, None]  # [R, K, B]
    return values.gather(2, steps.clamp(min=0).expand(len(values), -1, -1, -1)).where(steps >= 0, torch.nan)


def _units(values: Tensor) -> int:
    """Return the axis of the units: the last one, or the last but one in the kernel's layout."""
    return -2 if values.dim() == 5 else -1


def _by_step(values: Tensor, B: int) -> Tensor:
    """Return values of all sequences by step, [R, L, B]."""
    if values.dim() == 3:  # [R, B, L]
        return values.transpose(1, 2)
    return values.transpose(1, 2).flatten(2)[:, :, :B]  # from [R, blocks, L, rows]


def unit_norms(values: Tensor) -> Tensor:
    """Return the norms over the units; many times faster than ``vector_norm`` on a tensor that is not dense."""
    return values.square().sum(_units(values)).sqrt()


def scaled_log10_norms(values: Tensor) -> Tensor:
    """Return log10 of the norms, divided by the largest number before squaring."""
    units = _units(values)
    largest = values.abs().amax(units)
    scaled = values / largest.where(largest > 0, 1.0).unsqueeze(units)
    return torch.log10(largest) + torch.log10(unit_norms(scaled))
