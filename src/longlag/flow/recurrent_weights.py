"""Figures of the recurrent matrices of a cell: how much they can stretch an error."""

import math
from typing import Any

import torch
from torch import Tensor


def recurrent_figures(cell: Any) -> dict[str, float]:
    """Return for each recurrent matrix its largest singular value as ``norm_NAME`` and its spectral radius.

    Each step through tanh units multiplies an error by at most the norm: with a norm below 1 it must vanish (Pascanu,
    Mikolov & Bengio 2013, section 2.1). The radius, ``radius_NAME``, decides over many steps of a linear recurrence. A
    matrix that feeds a gate has no radius here, because an error does not pass through it again and again.

    Args:
        cell: a cell; one without ``recurrent_weights`` has no figures.

    """
    figures: dict[str, float] = {}
    with torch.no_grad():
        matrices: dict[str, Tensor] = getattr(cell, "recurrent_weights", dict)()
        for name, weights in matrices.items():
            wide = weights.to(torch.promote_types(weights.dtype, torch.float64))
            finite = bool(wide.isfinite().all())  # the weights of a diverged run are nan, and so are their figures
            figures[f"norm_{name}"] = torch.linalg.matrix_norm(wide, 2).item() if finite else math.nan
            if name not in getattr(cell, "gate_names", ()) and wide.shape[0] == wide.shape[1]:
                figures[f"radius_{name}"] = torch.linalg.eigvals(wide).abs().max().item() if finite else math.nan
    return figures
