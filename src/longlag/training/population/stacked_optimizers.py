"""The optimizers of all members as few: one step of PyTorch's own optimizer for all members that are alike.

The weights of these members lie in one tensor [R, N], a row each, and so do their gradients and the tensors of the
optimizer's state. PyTorch's optimizers of this module compute element by element, so each row gets the bits that it
would get alone.
"""

from collections.abc import Iterator, Sequence
from typing import Any

import torch
from torch import Tensor, nn, optim
from torch.optim import Optimizer

#: Optimizers that compute each element of the weights from that element of the weights, the gradient and the state.
ELEMENTWISE: tuple[type[Optimizer], ...] = (
    optim.SGD,
    optim.Adam,
    optim.AdamW,
    optim.NAdam,
    optim.RAdam,
    optim.Adamax,
    optim.Adagrad,
    optim.Adadelta,
    optim.RMSprop,
)
_ALIGNED = 16  # numbers: each weight begins where a tensor of its own might


class StackedOptimizers:
    """Takes the steps of the optimizers of members."""

    def __init__(self) -> None:
        self._members: list[Optimizer] = []
        self._stacks: list[_Stack] = []

    def zero_grad(self) -> None:
        """Forget the gradients of the step before."""
        for stack in self._stacks:
            stack.gradients.zero_()

    def step(self, optimizers: Sequence[Optimizer]) -> None:
        """Take a step with each optimizer, whose parameters have their gradients."""
        if self._members != list(optimizers):
            self._arrange(list(optimizers))
        for stack in self._stacks:
            stack.step()
        stacked = {id(member) for stack in self._stacks for member in stack.members}
        for optimizer in optimizers:
            if id(optimizer) not in stacked:
                optimizer.step()
                optimizer.zero_grad()

    def _arrange(self, optimizers: list[Optimizer]) -> None:
        """Stack the optimizers that are alike."""
        alike: dict[str, list[Optimizer]] = {}
        for optimizer in optimizers:
            if _fits(optimizer):
                alike.setdefault(_kind(optimizer), []).append(optimizer)
        self._members = optimizers
        self._stacks = [_Stack(members) for members in alike.values()]


class _Stack:
    """Optimizers that are alike, as one.

    Args:
        members: optimizers of one class, with the same settings, step count and shapes of parameters.

    """

    def __init__(self, members: list[Optimizer]) -> None:
        self.members = members
        first = members[0]
        self._sizes = [_up(p.numel()) for p in _parameters(first)]
        like = _parameters(first)[0]
        self._weights = nn.Parameter(like.new_zeros(len(members), sum(self._sizes)))
        self.gradients = torch.zeros_like(self._weights)
        self._weights.grad = self.gradients
        self._optimizer = type(first)([self._weights])  # type: ignore[call-arg]  # all of them have default settings
        self._optimizer.param_groups[0].update(_settings(first))
        self._bound: dict[str, Tensor] = {}
        self._take_over()

    def step(self) -> None:
        """Take a step."""
        self._optimizer.step()
        state = self._optimizer.state[self._weights]
        if any(self._bound.get(name) is not value for name, value in state.items() if isinstance(value, Tensor)):
            self._bind(state)

    @torch.no_grad()
    def _take_over(self) -> None:
        """Move weights, gradients and states of the members into the rows."""
        state: dict[str, Tensor] = {}
        for row, optimizer in enumerate(self.members):
            for parameter, weights, gradient in zip(
                _parameters(optimizer), self._views(self._weights[row]), self._views(self.gradients[row]), strict=True
            ):
                assert parameter.grad is not None
                weights[: parameter.numel()] = parameter.flatten()
                gradient[: parameter.numel()] = parameter.grad.flatten()
                parameter.data = weights[: parameter.numel()].view(parameter.shape)
                parameter.grad = gradient[: parameter.numel()].view(parameter.shape)
            for k, parameter in enumerate(_parameters(optimizer)):
                for name, value in optimizer.state[parameter].items() if parameter in optimizer.state else ():
                    if isinstance(value, Tensor) and value.shape == parameter.shape:
                        whole = state.setdefault(name, torch.zeros_like(self._weights))
                        list(self._views(whole[row]))[k][: value.numel()] = value.flatten()
                    elif isinstance(value, Tensor):
                        state[name] = value.clone()
        if state:
            self._optimizer.state[self._weights] = state
            self._bind(state)

    def _bind(self, state: dict[str, Any]) -> None:
        """Make the rows of the state the states of the members."""
        self._bound = dict(state)
        for row, optimizer in enumerate(self.members):
            of_row = {
                name: list(self._views(value[row])) if value.shape == self._weights.shape else value
                for name, value in state.items()
                if isinstance(value, Tensor)
            }
            for k, parameter in enumerate(_parameters(optimizer)):
                optimizer.state[parameter] = {
                    name: value[k][: parameter.numel()].view(parameter.shape) if isinstance(value, list) else value
                    for name, value in of_row.items()
                }

    def _views(self, row: Tensor) -> Iterator[Tensor]:
        """Yield the part of each parameter in a row [N]."""
        start = 0
        for size in self._sizes:
            yield row[start : start + size]
            start += size


def _fits(optimizer: Optimizer) -> bool:
    """Return whether an optimizer computes element by element, and all its parameters take part."""
    if type(optimizer) not in ELEMENTWISE or len(optimizer.param_groups) != 1:
        return False
    parameters = _parameters(optimizer)
    alike = {(p.dtype, p.device) for p in parameters}
    return len(alike) == 1 and not parameters[0].is_complex() and all(p.grad is not None for p in parameters)


def _kind(optimizer: Optimizer) -> str:
    """Return what optimizers that are alike have in common: class, settings, step count and shapes."""
    parameters = _parameters(optimizer)
    state = optimizer.state.get(parameters[0], {})
    counts = {name: value.item() for name, value in state.items() if isinstance(value, Tensor) and value.dim() == 0}
    shapes = [tuple(p.shape) for p in parameters]
    facts = type(optimizer).__qualname__, sorted(_settings(optimizer).items()), sorted(counts.items()), sorted(state)
    return f"{facts} {shapes}"


def _settings(optimizer: Optimizer) -> dict[str, Any]:
    return {name: value for name, value in optimizer.param_groups[0].items() if name != "params"}


def _parameters(optimizer: Optimizer) -> list[Tensor]:
    parameters: list[Tensor] = optimizer.param_groups[0]["params"]
    return parameters


def _up(size: int) -> int:
    return -(-size // _ALIGNED) * _ALIGNED
