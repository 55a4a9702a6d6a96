"""The recurrent matrices of a cell: by how much they can stretch an error."""

import math
from typing import Any

import torch
from torch import Tensor


def recurrent_figures(cell: Any) -> dict[str, float]:
    """Return for each recurrent matrix its largest singular value as ``norm_NAME`` and its spectral radius.

    An error that flows back through tanh units is multiplied by at most the norm at every step: below 1 it must vanish
    (Pascanu, Mikolov & Bengio 2013, section 2.1). The radius, ``radius_NAME``, decides in the linear case, for a long
    way; a matrix that feeds a gate has none, for it is not what an error goes through again and again.

    Args:
        cell: a cell; one without ``recurrent_weights`` has no figures.

    """
    found: dict[str, float] = {}
    with torch.no_grad():
        matrices: dict[str, Tensor] = getattr(cell, "recurrent_weights", dict)()
        for name, weights in matrices.items():
            wide = weights.to(torch.promote_types(weights.dtype, torch.float64))
            sound = bool(wide.isfinite().all())  # those of a run that has diverged are nan, and so are their figures
            found[f"norm_{name}"] = torch.linalg.matrix_norm(wide, 2).item() if sound else math.nan
            if name not in getattr(cell, "gate_names", ()) and wide.shape[0] == wide.shape[1]:
                found[f"radius_{name}"] = torch.linalg.eigvals(wide).abs().max().item() if sound else math.nan
    return found
