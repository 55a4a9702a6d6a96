"""The parallel form of the cells that are linear in their state: all steps at once, in about 2 log₂ T rounds.

Two steps of m' = a ⊙ m + b make one step of the same kind: first (a₁, b₁), then (a₂, b₂) is (a₂ ⊙ a₁, a₂ ⊙ b₁ + b₂). So
the scan joins the steps in pairs, solves the sequence of half the length, and computes the memories in between. It
never divides, so a gate that shuts does no harm. For the gradient it keeps a and m, no more than the eager loop keeps.
"""

from typing import Any, cast

import torch
from torch import Tensor

from longlag.cells import Cell, State
from longlag.cells.linear import LinearCell
from longlag.engine.base import Engine
from longlag.engine.pytorch_internals import modification


class Scan(Engine):
    """All steps at once, for a cell that is linear in its state and has the step of :class:`LinearCell`."""

    name = "scan"

    def fits(self, cell: Any) -> bool:
        """Return whether a cell is linear in its state, and its step is the one that is written for such cells."""
        return _unfit(cell) is None

    def refusal(self, cell: Any, x: Tensor | None = None) -> str | None:
        """Return why the engine cannot run a cell; see :meth:`Engine.refusal`."""
        why = _unfit(cell)
        return None if why is None else f"engine=scan runs {why} (engine=eager runs it)"

    def unroll(self, cell: Any, x: Tensor, state: State | None = None) -> tuple[Tensor, State]:
        """Run a cell over sequences; see :meth:`Engine.unroll`."""
        return _unroll(cell, x, state)


def _unfit(cell: Any) -> str | None:
    """Return what the engine runs and what a cell is instead; ``None`` if the engine runs it."""
    kind = type(cell).__name__
    if not isinstance(cell, LinearCell):
        return f"the cells derived from LinearCell; {kind} is not one"
    if type(cell).forward is not LinearCell.forward:
        return f"affine and read alone; {kind} has a forward of its own"
    # Layers of other types may stay: affine and read call them. A hook would see all steps at once.
    change = modification(cell, linears=False)
    return None if change is None else f"affine and read as their class has them; this {kind} is modified: {change}"


def _unroll(cell: Cell, x: Tensor, state: State | None) -> tuple[Tensor, State]:
    assert isinstance(cell, LinearCell)
    if state is None:
        state = cell.initial_state(x.shape[0], device=x.device, dtype=x.dtype)
    start = cell.memory(state)  # [B, N]
    x = x.transpose(0, 1).contiguous()  # [T, B, I]: with time first, the rounds read contiguous memory
    a, b = cell.affine(x)
    T, (B, N) = len(x), start.shape
    # The loop carries the memory in the widest of the types, so the scan computes in that type too
    kind = torch.promote_types(torch.promote_types(a.dtype, b.dtype), start.dtype)
    a = a.to(kind).expand(T, a.shape[-2] if a.dim() > 1 else 1, N)  # [T, B or 1, N]
    b = b.to(kind).expand(T, B, N)
    first, links = torch.split(a, [1, T - 1])
    b_first, b_rest = torch.split(b, [1, T - 1])
    m = linear_recurrence(links, torch.cat([first * start + b_first, b_rest]))  # [T, B, N]
    hidden = cell.read(m, x)
    h = hidden[-1]
    return hidden.transpose(0, 1), (h, m[-1] if cell.has_cell_state else h)


def linear_recurrence(links: Tensor, b: Tensor, backwards: bool = False) -> Tensor:
    """Return m [T, B, N] with m_{t+1} = links_t ⊙ m_t + b_{t+1} from m_0 = b_0 on.

    Args:
        links: [T − 1, B, N], of the type of ``b``; or [T − 1, 1, N], if they are the same for all sequences.
        b: [T, B, N].
        backwards: start with the last step instead: m_t = links_t ⊙ m_{t+1} + b_t.

    """
    return cast(Tensor, _LinearRecurrence.apply(links, b, backwards))  # type: ignore[no-untyped-call]


class _LinearRecurrence(torch.autograd.Function):
    """The scan; its gradient is the scan the other way, so it need not keep its rounds."""

    @staticmethod
    def forward(links: Tensor, b: Tensor, backwards: bool) -> Tensor:
        m = b.clone(memory_format=torch.contiguous_format)
        _solve_in_place(links, m, backwards)
        return m

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple[Tensor, Tensor, bool], output: Tensor) -> None:
        links, _, ctx.backwards = inputs
        ctx.save_for_backward(links, output)
        ctx.save_for_forward(links, output)

    @staticmethod
    def jvp(ctx: Any, d_links: Tensor, d_b: Tensor, _: None) -> Tensor:
        """Return the tangent of m, which obeys the same recurrence."""
        links, m = ctx.saved_tensors
        moved = d_links * (m[1:] if ctx.backwards else m[:-1])
        none = torch.zeros_like(d_b[:1])
        return linear_recurrence(
            links, d_b + torch.cat([moved, none] if ctx.backwards else [none, moved]), ctx.backwards
        )

    @staticmethod
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor, Tensor, None]:
        """Return dL/dlinks and dL/db; the latter is also the whole dL/dm: grad plus what the next steps send back."""
        links, m = ctx.saved_tensors
        error = linear_recurrence(links.conj(), grad, not ctx.backwards)
        sent, received = (m[1:], error[:-1]) if ctx.backwards else (m[:-1], error[1:])
        return (received * sent.conj()).sum_to_size(links.shape), error, None

    @staticmethod
    def vmap(
        info: Any, in_dims: tuple[int | None, int | None, None], links: Tensor, b: Tensor, backwards: bool
    ) -> tuple[Tensor, int]:
        """Move the mapped axis behind the axis of time, where it is one more batch axis."""
        links, b = (
            part.unsqueeze(1) if axis is None else part.movedim(axis, 1)
            for part, axis in zip((links, b), in_dims, strict=False)
        )
        return linear_recurrence(links, b.expand(-1, info.batch_size, *b.shape[2:]), backwards), 1


def _solve_in_place(links: Tensor, m: Tensor, backwards: bool) -> None:
    """Turn b, which ``m`` holds, into the memories."""
    pairs, alone = divmod(len(m), 2)
    if not pairs:
        return
    if backwards:  # the step without a partner, if any, is the one reached last: t = 0
        earlier, later, between = m[alone + 1 :: 2], m[alone::2], m[1 - alone : -1 : 2]
        inside, outside = links[alone::2], links[1 - alone :: 2]
        chained = outside[alone:] * inside[:-1]
        before = slice(1 - alone, None)
    else:
        earlier, later, between = m[: 2 * pairs : 2], m[1::2], m[2::2]
        inside, outside = links[: 2 * pairs : 2], links[1::2]
        chained = outside[: pairs - 1] * inside[1:]
        before = slice(pairs - 1 + alone)
    later.addcmul_(inside, earlier)  # the two steps of each pair as one
    _solve_in_place(chained, later, backwards)
    between.addcmul_(outside, later[before])
