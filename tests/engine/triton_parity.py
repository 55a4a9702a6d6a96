"""Runs every second cell by the Triton kernels, on Triton's interpreter, and prints how far off they are as JSON.

From the first or the second of them on, as 0 or 1 says; ``beside`` prints what is true of all kernels.
"""

import copy
import json
import sys

import torch
from native_cells import CELLS, busy, errors, flat, given, parts

from longlag.engine import Native, Triton, eager

SHAPES = [(3, 1, 2, 5), (18, 7, 3, 17), (33, 4, 1, 16), (5, 12, 2, 8)]  # B, T, I, H


def off(cell, on, use):
    """Name -> how far a part is from the eager loop's in float64, as a part of its norm."""
    wanted = parts(copy.deepcopy(cell).double(), eager.unroll, on)
    return errors(parts(cell, use, on), wanted)


def odd(name):
    """Final states that are used in another order, and inputs that are not dense."""
    cells = [busy(name, 2, 5, seed) for seed in range(2)]
    draws = torch.Generator().manual_seed(0)
    x = torch.randn(2, 6, 3, 2, generator=draws).transpose(1, 2)
    by = torch.randn(3, 2, cells[0].hidden_size, generator=draws)
    parameters = [parameter for cell in cells for parameter in cell.parameters()]
    found = []
    for engine in (Triton(), Native()):
        hidden, state = engine.unroll_runs(cells, x)
        h, c, *_ = flat(state)
        end = ((h + c).transpose(0, 1) * by).sum() + hidden[..., ::2].transpose(0, 2).square().sum()
        found.append(torch.autograd.grad(end, parameters))
    return max((one - other).norm().item() / other.norm().item() for one, other in zip(*found, strict=True))


def nan_stays():
    """Whether an IRNN that meets nan stays nan."""
    hidden, _ = Triton().unroll(busy("irnn", 2, 5), torch.full((1, 3, 2), float("nan")))
    return bool(hidden.isnan().all())


def mixed():
    """Whether a mixed precision changes nothing."""
    cell, x = busy("lstm", 2, 5), torch.randn(3, 4, 2, generator=torch.Generator().manual_seed(0))
    found = []
    for enabled in (False, True):
        with torch.autocast("cpu", torch.bfloat16, enabled=enabled):
            hidden, _ = Triton().unroll(cell, x)
            found.append([hidden, *torch.autograd.grad(hidden.square().sum(), list(cell.parameters()))])
    return all(torch.equal(one, other) for one, other in zip(*found, strict=True))


def of_runs(name):
    """Three runs at once against each alone: the largest difference."""
    cells = [busy(name, 2, 5, seed) for seed in range(3)]
    x = torch.randn(3, 4, 6, 2, generator=torch.Generator().manual_seed(0))
    parameters = [list(cell.parameters()) for cell in cells]
    hidden, _ = Triton().unroll_runs(cells, x)
    together = torch.autograd.grad(hidden.square().sum(), [one for own in parameters for one in own])
    alone = []
    for cell, own, mine in zip(cells, parameters, x, strict=True):
        alone += torch.autograd.grad(Triton().unroll(cell, mine)[0].square().sum(), own)
    return max((one - other).abs().max().item() for one, other in zip(together, alone, strict=True))


def twice():
    """Whether the gradient of a single sequence is the same on a second way back, and that which is sent too."""
    cell, x = busy("lstm_1997-full", 2, 5), torch.randn(1, 4, 2, generator=torch.Generator().manual_seed(0))
    hidden, (h, (c, y)) = Triton().unroll(cell, x)
    sent = [torch.ones_like(part) for part in (hidden, h, c, y)]
    found = [torch.autograd.grad((hidden, h, c, y), list(cell.parameters()), sent, retain_graph=True) for _ in range(2)]
    return all(map(torch.equal, *found)) and all((part == 1).all() for part in sent)


if sys.argv[1] == "beside":
    print(json.dumps({"nan stays": nan_stays(), "mixed": mixed(), "twice": twice()}))
    sys.exit()
found = {}
for name in list(CELLS)[int(sys.argv[1]) :: 2]:
    worst = {}
    for seed, (B, T, I, H) in enumerate(SHAPES):  # noqa: E741 -- the field's names
        cell = busy(name, I, H, seed)
        assert Triton().refusal(cell) is None
        for use in ((True, True, True), (False, True, False))[: 1 if seed else 2]:
            on = given(cell, B, T, with_state=seed != 1, used=use, seed=seed)
            for part, far in off(cell, on, Triton().unroll).items():
                worst[part] = max(worst.get(part, 0.0), far)
    found[name] = {"worst": max(worst.values()), "parts": sorted(worst), "runs": of_runs(name), "odd": odd(name)}
print(json.dumps(found))
