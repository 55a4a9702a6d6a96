"""Runs every cell by the Triton kernels, on Triton's interpreter, and prints how far off they are as JSON."""

import copy
import json

import torch
from native_cells import CELLS, busy, errors, given, parts

from longlag.engine import eager, triton

SHAPES = [(3, 1, 2, 5), (18, 7, 3, 17), (33, 4, 1, 16), (5, 25, 2, 8)]  # B, T, I, H


def off(cell, on, use):
    """Name -> how far a part is from the eager loop's in float64, as a part of its norm."""
    wanted = parts(copy.deepcopy(cell).double(), eager.unroll, on)
    return errors(parts(cell, use, on), wanted)


def of_runs(name):
    """Three runs at once against each alone: the largest difference."""
    cells = [busy(name, 2, 5, seed) for seed in range(3)]
    x = torch.randn(3, 4, 6, 2, generator=torch.Generator().manual_seed(0))
    parameters = [list(cell.parameters()) for cell in cells]
    hidden, _ = triton.unroll_runs(cells, x)
    together = torch.autograd.grad(hidden.square().sum(), [one for own in parameters for one in own])
    alone = []
    for cell, own, mine in zip(cells, parameters, x, strict=True):
        alone += torch.autograd.grad(triton.unroll(cell, mine)[0].square().sum(), own)
    return max((one - other).abs().max().item() for one, other in zip(together, alone, strict=True))


found = {}
for name in CELLS:
    worst = {}
    for seed, (B, T, I, H) in enumerate(SHAPES):  # noqa: E741 -- the field's names
        cell = busy(name, I, H, seed)
        triton.check(cell)
        for use in ((True, True, True), (False, True, False)):
            on = given(cell, B, T, with_state=seed != 1, used=use, seed=seed)
            for part, far in off(cell, on, triton.unroll).items():
                worst[part] = max(worst.get(part, 0.0), far)
    found[name] = {"worst": max(worst.values()), "parts": sorted(worst), "runs": of_runs(name)}
print(json.dumps(found))
