"""The recurrent matrices of a cell: by how much they can stretch an error."""

import math
from typing import Any

import torch
from torch import Tensor


def recurrent_figures(cell: Any) -> dict[str, float]:
    """Return for each recurrent matrix its largest singular value as ``norm_NAME`` and its spectral radius.

    An error that flows back through tanh units is multiplied by at most the norm at every step: below 1 it must vanish
    (Pascanu, Mikolov & Bengio 2013, section 2.1). The radius, ``radius_NAME``, decides in the linear case, for a long
    way; only a square matrix has one.

    Args:
        cell: a cell; one without ``recurrent_weights`` has no figures.

    """
    found: dict[str, float] = {}
    with torch.no_grad():
        matrices: dict[str, Tensor] = getattr(cell, "recurrent_weights", dict)()
        for shape in dict.fromkeys(weights.shape for weights in matrices.values()):
            alike = {name: weights for name, weights in matrices.items() if weights.shape == shape}
            stack = torch.stack(list(alike.values()))
            stack = stack.to(torch.promote_types(stack.dtype, torch.float64))
            sound = stack.isfinite().all((1, 2))  # those of a run that has diverged are nan, and so are their figures
            tame = stack.where(sound[:, None, None], 0)
            figures = {"norm": torch.linalg.matrix_norm(tame, 2)}
            if shape[0] == shape[1]:
                figures["radius"] = torch.linalg.eigvals(tame).abs().amax(1)
            for figure, values in figures.items():
                of_all = values.where(sound, math.nan).tolist()
                found |= {f"{figure}_{name}": value for name, value in zip(alike, of_all, strict=True)}
    return found
