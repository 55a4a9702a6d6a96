"""Walk a state: a tensor, or a tuple of states nested to any depth."""

from collections.abc import Callable, Iterable
from typing import Any

from torch import Tensor


def leaves(state: Any) -> list[Tensor]:
    """Return the tensors of a state, in their order."""
    return [leaf for _, leaf in named_leaves(state)]


def named_leaves(state: Any, names: str = "hc") -> list[tuple[str, Tensor]]:
    """Return the tensors of a state with their names: ``h``, ``c``; or ``c[0]``, ``c[1]`` where ``c`` is nested.

    Args:
        state: ``(h, c)``.
        names: one letter for each part.

    """
    if isinstance(state, Tensor):
        return [("", state)]
    return [
        (part_name + name, leaf)
        for part_name, part in zip(names or [f"[{k}]" for k in range(len(state))], state, strict=True)
        for name, leaf in named_leaves(part, "")
    ]


def map_leaves(change: Callable[..., Tensor], state: Any, *others: Any) -> Any:
    """Return a state of the same nesting, with ``change(leaf, …)`` for each tensor.

    Args:
        change: a function of as many tensors as there are states.
        state: one state.
        others: more states of the same nesting.

    """
    if isinstance(state, Tensor):
        return change(state, *others)
    return tuple(map_leaves(change, *parts) for parts in zip(state, *others, strict=True))


def like(state: Any, new_leaves: Iterable[Tensor]) -> Any:
    """Return a state of the same nesting, made of other tensors in the order of :func:`leaves`."""
    remaining = iter(new_leaves)
    return map_leaves(lambda _: next(remaining), state)


def replaced(state: Any, new_leaves: dict[int, Tensor]) -> Any:
    """Return a state in which the tensors whose ids are keys of ``new_leaves`` are replaced."""

    def replacement(leaf: Tensor) -> Tensor:
        return new_leaves.get(id(leaf), leaf)

    return map_leaves(replacement, state)
