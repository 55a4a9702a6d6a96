"""The kernel as one operation of PyTorch's: R models of one shape, over all steps, with its gradient."""

import ctypes
from collections.abc import Sequence
from typing import Any, NamedTuple

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable

from longlag.engine.native.library import library, team
from longlag.engine.native.workspace import Loan

_Sizes = ctypes.c_int64 * 6
#: What both ways look at. All else goes when a way is done: an output that is kept holds the call that holds it.
_BOTH_WAYS = {"weights", "biases", "peepholes", "x", "h0", "c0", "h", "saved"}


class _Problem(ctypes.Structure):
    """What the kernel is told; ``kernel.cpp`` says what each is."""

    _fields_ = [
        *((name, ctypes.c_int64) for name in ("runs", "batch", "steps", "inputs", "hidden", "threads", "cut")),
        *((name, ctypes.c_void_p) for name in ("weights", "biases", "peepholes", "x")),
        *((name, ctypes.c_int64) for name in ("x_run", "x_row", "x_step")),
        *((name, ctypes.c_void_p) for name in ("h0", "c0", "h", "saved", "c_end", "d_out")),
        *((name, ctypes.c_int64) for name in ("d_run", "d_row", "d_step")),
        *((name, ctypes.c_void_p) for name in ("d_h_end", "d_c_end", "d_weights", "d_biases", "d_peepholes")),
        *((name, ctypes.c_void_p) for name in ("d_x", "d_h0", "d_c0", "parallel", "flow_h", "flow_c")),
    ]


class Packed(NamedTuple):
    """The weights of R cells of one shape.

    Args:
        update: the pointwise part, by its name in ``updates.h``.
        weights: [R, G, H, H + I].
        biases: [R, G, H].
        peepholes: [R, P, H], or ``None``.
        cut: 1 if no error goes back through ``h``, 2 if neither through peepholes at the step before.

    """

    update: str
    weights: Tensor
    biases: Tensor
    peepholes: Tensor | None = None
    cut: int = 0


def unroll_packed(packed: Packed, x: Tensor, h0: Tensor | None, c0: Tensor | None) -> tuple[Tensor, Tensor, Tensor]:
    """Run R cells over their sequences.

    Args:
        packed: the cells.
        x: inputs [R, B, T, I]; ``expand`` gives several runs the same.
        h0: where to start [R, B, H], ``None`` for zeros.
        c0: likewise.

    Returns:
        h of all steps [R, B, T, H], and the last h and c [R, B, H]; for a cell without a cell state that c is h.

    """
    way_back = torch.is_grad_enabled()
    outputs: tuple[Tensor, Tensor, Tensor] = _Unroll.apply(  # type: ignore[no-untyped-call]
        x, h0, c0, packed.weights, packed.biases, packed.peepholes, packed.update, packed.cut, way_back
    )
    return outputs


class _Unroll(torch.autograd.Function):
    """The kernel, forward and backward."""

    @staticmethod
    def forward(
        ctx: Any,
        x: Tensor,
        h0: Tensor | None,
        c0: Tensor | None,
        weights: Tensor,
        biases: Tensor,
        peepholes: Tensor | None,
        update: str,
        cut: int,
        way_back: bool,
    ) -> tuple[Tensor, Tensor, Tensor]:
        call = Call(Packed(update, weights, biases, peepholes, cut), x, h0, c0)
        R, B, T, _ = x.shape
        h = x.new_empty(R, T + 1, call.Bp, call.Hp)
        c_end = x.new_empty(R, B, call.H)
        ctx.loan = Loan(R * call.Bp * T * call.saved, x.dtype) if way_back else None
        call.run("forward", h=h, saved=None if ctx.loan is None else ctx.loan.tensor, c_end=c_end)
        ctx.call = call
        ctx.save_for_backward(x, h0, c0, weights, biases, peepholes, h)  # it points at them; this sees if they change
        ctx.set_materialize_grads(False)
        hidden = h[:, 1:, :B, : call.H].transpose(1, 2)
        return hidden, hidden[:, :, -1].clone(), c_end

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, d_out: Tensor | None, d_h: Tensor | None, d_c: Tensor | None) -> tuple[Tensor | None, ...]:
        x, _, _, weights, biases, peepholes, _ = ctx.saved_tensors
        call: Call = ctx.call
        of_x, of_h0, of_c0, *of_weights = ctx.needs_input_grad[:6]
        state = (len(weights), x.shape[1], call.H)
        wanted = {
            "d_x": x.shape if of_x else None,
            "d_h0": state if of_h0 else None,
            "d_c0": state if of_c0 else None,
        }
        if any(of_weights):
            wanted |= {"d_weights": weights.shape, "d_biases": biases.shape}
            wanted["d_peepholes"] = None if peepholes is None else peepholes.shape
        found = {name: None if shape is None else x.new_empty(shape) for name, shape in wanted.items()}
        call.run("backward", d_out=d_out, d_h_end=d_h, d_c_end=d_c, **found)
        names = ("d_x", "d_h0", "d_c0", "d_weights", "d_biases", "d_peepholes")
        return *(found.get(name) for name in names), None, None, None


class Call:
    """A call of the kernel: the problem, and the sizes of what it wants.

    Args:
        packed: the weights.
        x: inputs [R, B, T, I].
        h0: [R, B, H], or ``None``.
        c0: [R, B, H], or ``None``.

    """

    def __init__(self, packed: Packed, x: Tensor, h0: Tensor | None, c0: Tensor | None) -> None:
        _check(packed, x, h0, c0)
        self.library = library(packed.update, x.dtype)
        self.H = packed.weights.shape[2]
        self._seen: dict[str, Tensor] = {}  # what the kernel may look at
        R, B, T, I = x.shape  # noqa: E741 -- the field's names
        self.problem = _Problem(R, B, T, I, self.H, torch.get_num_threads(), packed.cut)
        self.problem.parallel = team()
        self._at = ctypes.byref(self.problem)
        self._point("weights", packed.weights)
        self._point("biases", packed.biases)
        self._point("peepholes", packed.peepholes)
        self._point("h0", h0)
        self._point("c0", c0)
        self._point_at_rows("x", x)
        sizes = _Sizes()
        self.library.longlag_layout(self._at, sizes)
        self.rows, self.Bp, self.Hp, self.Hu, self.saved, known = sizes
        assert known == ctypes.sizeof(_Problem)

    def run(self, way: str, d_out: Tensor | None = None, **arrays: Tensor | None) -> None:
        """Run it ``forward`` or ``backward``; what the first was given the second has too.

        Raises:
            MemoryError: there is not enough memory.

        """
        self._point_at_rows("d_out", d_out)
        for name, array in arrays.items():
            self._point(name, array)
        failed = (self.library.longlag_forward if way == "forward" else self.library.longlag_backward)(self._at)
        self._seen = {name: array for name, array in self._seen.items() if name in _BOTH_WAYS}
        if failed:
            raise MemoryError("there is no memory for the native engine")

    def _point(self, name: str, array: Tensor | None) -> None:
        if array is not None:
            self._seen[name] = array = array.resolve_neg().contiguous()
        setattr(self.problem, name, None if array is None else array.data_ptr())

    def _point_at_rows(self, name: str, array: Tensor | None) -> None:
        if array is None:
            setattr(self.problem, name, None)
            return
        self._seen[name] = array = _rows(array)
        setattr(self.problem, name, array.data_ptr())
        run, row, step, _ = array.stride()
        setattr(self.problem, f"{name[0]}_run", run)
        setattr(self.problem, f"{name[0]}_row", row)
        setattr(self.problem, f"{name[0]}_step", step)


def _rows(array: Tensor) -> Tensor:
    """Return an array [R, B, T, …] whose last axis is dense."""
    array = array.resolve_neg()
    return array if array.stride(-1) == 1 or array.shape[-1] == 1 else array.contiguous()


def _check(packed: Packed, x: Tensor, h0: Tensor | None, c0: Tensor | None) -> None:
    """Check what the kernel takes on trust.

    Raises:
        ValueError: a size, a type or a device is not the one that goes with the others.

    """
    R, _, H, K = packed.weights.shape
    if x.ndim != 4 or x.shape[0] != R or x.shape[2] == 0 or x.shape[3] != K - H:
        raise ValueError(f"engine=native wants inputs [R={R}, B, T, I={K - H}] of at least one step; got {[*x.shape]}")
    for state in (h0, c0):
        if state is not None and state.shape != (R, x.shape[1], H):
            raise ValueError(f"engine=native wants states [R={R}, B={x.shape[1]}, H={H}]; got {[*state.shape]}")
    for array in packed.weights, packed.biases, packed.peepholes, h0, c0:
        if array is not None and (array.dtype is not x.dtype or array.device != x.device):
            raise ValueError(
                "engine=native wants inputs, states and weights of one type on one device; "
                f"got {x.dtype} on {x.device} and {array.dtype} on {array.device}"
            )


def stacked(packs: Sequence[Packed]) -> Packed:
    """Return the weights of several runs as one.

    Raises:
        ValueError: they are not of one kind and shape.

    """
    first = packs[0]
    if any((p.update, p.cut, p.weights.shape) != (first.update, first.cut, first.weights.shape) for p in packs):
        raise ValueError("engine=native runs cells of one kind and shape at once")
    if len(packs) == 1:
        return first
    weights, biases = (torch.cat([getattr(pack, name) for pack in packs]) for name in ("weights", "biases"))
    peepholes = [pack.peepholes for pack in packs if pack.peepholes is not None]
    return Packed(first.update, weights, biases, torch.cat(peepholes) if peepholes else None, first.cut)
