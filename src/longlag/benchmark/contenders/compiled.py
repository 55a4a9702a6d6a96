"""The eager step, compiled by ``torch.compile``."""

import copy
from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor

from longlag.benchmark.contenders.contender import TorchContender
from longlag.benchmark.given import Given

UNROLLED = 10  # steps that are compiled in one piece; a whole sequence would compile for minutes


class Compiled(TorchContender):
    """Ten steps of the cell in one piece that is compiled; the steps that are left over are run as they are."""

    name = "compile"
    compiles_s = 20.0

    def __init__(self, given: Given) -> None:
        super().__init__(given)
        self._leaves = [
            {"x": x.clone().requires_grad_(), **dict(cell.named_parameters())}
            for x, cell in zip(given.x, given.cells, strict=True)
        ]
        cell = copy.deepcopy(given.cells[0])  # a weight that is the cell's own would be compiled for apart

        def steps(x: Tensor, state: Any, weights: dict[str, Tensor]) -> Any:
            for x_t in x.unbind(dim=1):  # [B, I]
                state = torch.func.functional_call(cell, weights, (x_t, state))
            return state

        torch._dynamo.reset()  # what was compiled at other sizes would count against a limit
        self._steps, self._compiled = steps, torch.compile(steps, fullgraph=True, dynamic=False)

    def leaves(self, run: int) -> Mapping[str, Tensor]:
        """Return the inputs and the parameters of the cell."""
        return self._leaves[run]

    def last(self, run: int) -> Tensor:
        """Return the last hidden states, [B, H]."""
        x = self._leaves[run]["x"]
        weights = {name: leaf for name, leaf in self._leaves[run].items() if name != "x"}
        start = self.given.cells[run].initial_state(x.shape[0], device=x.device, dtype=x.dtype)
        state = torch.utils._pytree.tree_map(torch.clone, start)  # h and c may be one tensor: another case to compile
        for part in x.split(UNROLLED, dim=1):
            state = (self._compiled if part.shape[1] == UNROLLED else self._steps)(part, state, weights)
        h: Tensor = state[0]
        return h
