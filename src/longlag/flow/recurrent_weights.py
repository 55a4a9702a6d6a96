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
    with torch.no_grad():
        weights: dict[str, Tensor] = getattr(cell, "recurrent_weights", dict)()
        here = {name: each.cpu() for name, each in weights.items()}
        matrices = {name: each.to(torch.promote_types(each.dtype, torch.float64)) for name, each in here.items()}
        if len({each.shape for each in matrices.values()}) > 1:
            return {key: value for name in weights for key, value in _figures(cell, {name: matrices[name]}).items()}
        return _figures(cell, matrices)


def _figures(cell: Any, matrices: dict[str, Tensor]) -> dict[str, float]:
    """Return the figures of matrices of one shape, which takes one call for all."""
    if not matrices:
        return {}
    stacked = torch.stack(list(matrices.values()))
    finite = stacked.isfinite().flatten(1).all(1)  # the weights of a diverged run are nan, and so are their figures
    norms = torch.linalg.matrix_norm(stacked.where(finite[:, None, None], 0.0), 2).tolist()
    figures: dict[str, float] = {}
    for (name, matrix), norm, known in zip(matrices.items(), norms, finite.tolist(), strict=True):
        figures[f"norm_{name}"] = norm if known else math.nan
        if name not in getattr(cell, "gate_names", ()) and matrix.shape[0] == matrix.shape[1]:
            figures[f"radius_{name}"] = torch.linalg.eigvals(matrix).abs().max().item() if known else math.nan
    return figures
