"""What is checked before on-line learning: the model, and the sequences of a call."""

from itertools import chain
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.utils import parametrize

from longlag.engine.kernel_cells import KERNEL_CELLS, unfit
from longlag.engine.native.online_call import Sequences, Sizes
from longlag.engine.pytorch_internals import modification


def refusal(model: Any) -> str | None:
    """Return why a model cannot be trained on-line by the native engine; ``None`` if it can.

    Args:
        model: a :class:`longlag.model.SequenceModel`.

    """
    why = _of_model(model)
    return None if why is None else f"on-line learning in the native engine takes {why}"


def _of_model(model: Any) -> str | None:
    if type(model).forward.__qualname__ != "SequenceModel.forward":
        return f"a SequenceModel as it is, not a {type(model).__name__}"
    if len(model.cells) > 1:
        return f"one layer, not {len(model.cells)}"
    if (why := unfit(model.cells[0])) is not None:
        return f"{', '.join(kind.__name__ for kind in KERNEL_CELLS)}; {why}"
    if (change := modification(model, linears=False)) is not None:
        return f"a model without changes; {change}"
    if any(parametrize.is_parametrized(module) for module in model.modules()):
        return "weights that are parameters, and this model computes some of them"
    if type(model.readout) is not nn.Linear:
        return f"a readout that is an nn.Linear, not a {type(model.readout).__name__}"
    shortcut = model.shortcut
    if shortcut is not None and (type(shortcut) is not nn.Linear or shortcut.bias is not None):
        return f"a shortcut that is an nn.Linear without a bias, not {shortcut}"
    named = dict(model.named_parameters(remove_duplicate=False))
    if len({id(parameter) for parameter in named.values()}) < len(named):
        return "parameters that stand at one place each, and this model shares some"
    kinds = {(parameter.dtype, parameter.device.type) for parameter in named.values()}
    if kinds not in ({(torch.float32, "cpu")}, {(torch.float64, "cpu")}):
        return f"float32 or float64 on the CPU, not {', '.join(sorted(map(str, chain(*kinds))))}"
    return None


def check_batch(sizes: Sizes, batch: Sequences) -> None:
    """Check the sequences of a run: the kernel checks nothing.

    Raises:
        ValueError: a size, a type or a number is none that goes with the network.

    """
    inputs, targets, lengths = batch.inputs, batch.targets, batch.lengths
    symbols, softmax = not inputs.is_floating_point(), sizes.loss == "softmax"
    if inputs.ndim != (2 if symbols else 3) or (not symbols and inputs.shape[2] != sizes.inputs):
        raise ValueError(f"inputs must be [N, L, I={sizes.inputs}] or symbols [N, L], got {[*inputs.shape]}")
    N, L = inputs.shape[:2]
    wanted = (N, *((L,) if sizes.every else ()), *(() if softmax else (sizes.outputs,)))
    if targets.shape != wanted or targets.is_floating_point() == softmax:
        what = "classes" if softmax else "values"
        raise ValueError(f"targets must be {what} {[*wanted]}, got {targets.dtype} {[*targets.shape]}")
    if lengths.shape != (N,) or (N and not 1 <= lengths.min() <= lengths.max() <= L):
        raise ValueError(f"lengths must be [N={N}], from 1 to L={L}")
    valid = torch.arange(L) < lengths[:, None]
    if symbols and _outside(inputs, sizes.inputs, valid):
        raise ValueError(f"symbols must be from 0 to {sizes.inputs - 1}")
    if sizes.every:
        mask = batch.mask
        if mask.shape != (N, L) or mask.dtype is not torch.bool or bool((mask & ~valid).any()):
            raise ValueError(f"mask must be bool [N={N}, L={L}], and no step counts after the end of its sequence")
        if softmax and not bool(mask.any(1).all()):
            raise ValueError("the cross-entropy is a mean, and a sequence has no step that counts")
        if softmax:
            targets = targets[mask]
    if softmax and _outside(targets, sizes.outputs):
        raise ValueError(f"classes must be from 0 to {sizes.outputs - 1}")


def _outside(whole: Tensor, count: int, where: Tensor | None = None) -> bool:
    """Return whether a whole number is not from 0 to ``count`` − 1, at the places that matter."""
    whole = whole.to(torch.int64) if where is None else whole.to(torch.int64)[where]
    return bool(((whole < 0) | (whole >= count)).any())
