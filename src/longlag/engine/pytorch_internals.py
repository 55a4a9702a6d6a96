"""What the engines must know of PyTorch's private parts; no other module of the engines reads them.

The fast engines read the weights of a cell and run the formulas of its class. A hook, a replaced method or a layer of
another type changes what the cell computes, and a fast engine would not notice. Nor can every engine run inside a
transform of functions, such as ``torch.func.vmap``.
"""

import functools
from collections.abc import Callable, Iterator, Mapping
from typing import Any

import torch
from torch import nn
from torch.autograd import forward_ad
from torch.nn.modules import module as torch_module
from torch.nn.utils import parametrize

_HOOKS = ("_forward_pre_hooks", "_forward_hooks", "_backward_pre_hooks", "_backward_hooks")
_GLOBAL_HOOKS = tuple(f"_global{name}" for name in _HOOKS)


def modification(cell: nn.Module, forward: Callable[..., Any] | None = None, linears: bool = True) -> str | None:
    """Return what changes a cell beyond the code of its class; ``None`` if nothing does.

    A modern parametrisation (:mod:`torch.nn.utils.parametrize`) is no change: it acts whenever a weight is read.

    Args:
        cell: the cell.
        forward: the ``forward`` that the class had when it was defined.
        linears: whether each layer of the cell must be an ``nn.Linear`` and nothing else.

    """
    if any(getattr(torch_module, name) for name in _GLOBAL_HOOKS):
        return "there are hooks on all modules"
    if forward is not None and type(cell).forward is not forward:
        return f"{type(cell).__name__}.forward has been replaced"
    for name, layer in _layers(cell):
        place = f"its layer {name}" if name else "it"
        if any(getattr(layer, hooks) for hooks in _HOOKS):
            return f"{place} has hooks"
        if replaced := vars(layer).keys() & _methods(type(layer)):  # type: ignore[arg-type]
            return f"{place} has a {min(replaced)} of its own"
        if name and linears and parametrize.type_before_parametrizations(layer) is not nn.Linear:
            return f"{place} is a {type(layer).__name__}, not an nn.Linear"
    return None


@functools.cache
def _methods(kind: type[nn.Module]) -> frozenset[str]:
    return frozenset(name for name in dir(kind) if callable(getattr(kind, name, None)))


def _layers(module: nn.Module, name: str = "") -> Iterator[tuple[str, nn.Module]]:
    """Yield a module and the layers inside, by name, without the modules that parametrise a weight."""
    yield name, module
    children: Mapping[str, nn.Module | None] = module._modules
    for key, child in children.items():
        if child is not None and not (key == "parametrizations" and parametrize.is_parametrized(module)):
            yield from _layers(child, f"{name}.{key}" if name else key)


def transformed() -> bool:
    """Return whether a transform of :mod:`torch.func` or forward-mode differentiation is at work."""
    return torch._C._are_functorch_transforms_active() or forward_ad._current_level >= 0
