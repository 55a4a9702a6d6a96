"""The kernel as one operation of PyTorch's: R models of one shape, over all steps, with its gradient."""

import ctypes
import functools
from collections.abc import Sequence
from typing import Any, NamedTuple

import torch
from torch import Tensor

from longlag.engine.native.library import library, team
from longlag.engine.native.workspace import Loan, empty
from longlag.engine.packed import Packed, check_one_derivative, check_shapes

#: The gradients that can be asked for, in the order of what they belong to.
_GRADIENTS = ("d_x", "d_h0", "d_c0", "d_weights", "d_biases", "d_peepholes")


class _Problem(ctypes.Structure):
    """What the kernel is told; ``problem.h`` says what each is."""

    _fields_ = [
        *((name, ctypes.c_int64) for name in ("runs", "batch", "steps", "inputs", "hidden", "threads", "cut")),
        *((name, ctypes.c_void_p) for name in ("weights", "biases", "peepholes", "x")),
        *((name, ctypes.c_int64) for name in ("x_run", "x_row", "x_step")),
        *((name, ctypes.c_void_p) for name in ("h0", "c0", "h", "saved", "h_end", "c_end", "d_out")),
        *((name, ctypes.c_int64) for name in ("d_run", "d_row", "d_step")),
        *((name, ctypes.c_void_p) for name in ("d_h_end", "d_c_end", "d_weights", "d_biases", "d_peepholes")),
        *((name, ctypes.c_void_p) for name in ("d_x", "d_h0", "d_c0", "parallel", "flow_h", "flow_c")),
    ]


class Layout(NamedTuple):
    """How the kernel lays a problem out.

    Args:
        rows: the sequences of a block.
        Bp: the padded number of sequences.
        Zp: the padded number of what a step reads of the one before, in a row: of each unit h, and its gates if they
            are read.
        Hu: that of units in a block.
        saved: how many numbers a step of a sequence keeps for the way back.

    """

    rows: int
    Bp: int
    Zp: int
    Hu: int
    saved: int


def unroll_packed(packed: Packed, x: Tensor, h0: Tensor | None, c0: Tensor | None) -> tuple[Tensor, Tensor, Tensor]:
    """Run R cells over their sequences, or one without the axis of the runs.

    Args:
        packed: the cells.
        x: inputs [R, B, T, I], or [B, T, I]; ``expand`` gives several runs the same.
        h0: where to start [R, B, Q·H] or [B, Q·H], ``None`` for zeros: h, and the Q − 1 gates that are read.
        c0: likewise, [R, B, H] or [B, H].

    Returns:
        h of all steps [R, B, T, H], and the last h [R, B, Q·H] and c [R, B, H], or without R; for a cell without a cell
        state that c is h.

    Raises:
        ValueError: a size, a type or a device is not the one that goes with the others.

    """
    outputs: tuple[Tensor, Tensor, Tensor] = _Unroll.apply(  # type: ignore[no-untyped-call]
        x, h0, c0, packed.weights, packed.biases, packed.peepholes, packed, torch.is_grad_enabled()
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
        packed: Packed,
        way_back: bool,
    ) -> tuple[Tensor, Tensor, Tensor]:
        call = Call(packed, x, h0, c0)
        *runs, B, T, _ = x.shape
        H, (_, Bp, Zp, _, saved) = packed.hidden, call.layout
        dtype, here = x.dtype, x.device  # torch.empty is faster than x.new_empty
        h = empty((*runs, T + 1, Bp, Zp), dtype)
        h_end = torch.empty((*runs, B, (1 + packed.read) * H), dtype=dtype, device=here)
        c_end = torch.empty((*runs, B, H), dtype=dtype, device=here)
        ctx.loan = Loan(packed.runs * Bp * T * saved, dtype) if way_back else None
        call.forward(h, h_end, c_end, None if ctx.loan is None else ctx.loan.tensor)
        ctx.call = call
        ctx.save_for_backward(x, h0, c0, weights, biases, peepholes, h)  # it points at them; this sees if they change
        ctx.set_materialize_grads(False)
        of_run = ((T + 1) * Bp * Zp,) if runs else ()
        hidden = h.as_strided((*runs, B, T, H), (*of_run, Zp, Bp * Zp, 1), Bp * Zp)
        return hidden, h_end, c_end

    @staticmethod
    def backward(ctx: Any, d_out: Tensor | None, d_h: Tensor | None, d_c: Tensor | None) -> tuple[Tensor | None, ...]:
        check_one_derivative("native")
        *given, _ = ctx.saved_tensors
        wanted = list(ctx.needs_input_grad[:6])
        wanted[3:5] = [any(wanted[3:])] * 2  # the kernel gives all of these or none
        wanted[5] = wanted[3] and given[5] is not None
        found = ctx.call.backward(d_out, d_h, d_c, wanted)
        return *found, None, None


class Call:
    """A call of the kernel: the problem, and how it is laid out.

    Args:
        packed: the weights.
        x: inputs [R, B, T, I], or [B, T, I].
        h0: [R, B, Q·H] or [B, Q·H], or ``None``.
        c0: [R, B, H] or [B, H], or ``None``.

    Raises:
        ValueError: a size, a type or a device is not the one that goes with the others.

    """

    def __init__(self, packed: Packed, x: Tensor, h0: Tensor | None, c0: Tensor | None) -> None:
        check_shapes(packed, x, h0, c0)
        update, R, H, weights, biases, peepholes, cut, *_ = packed
        x = _rows(x)
        *runs, B, T, I = shape = x.shape  # noqa: E741 -- the field's names
        self.library = library(update, x.dtype)
        self.layout = _layout(self.library, R, B, T, I, H)
        weights, biases = weights.resolve_neg().contiguous(), biases.resolve_neg().contiguous()
        peepholes, h0, c0 = _dense(peepholes), _dense(h0), _dense(c0)
        of_peepholes = () if peepholes is None else peepholes.shape
        of_read = (*runs, B, (1 + packed.read) * H)
        self._shapes = (shape, of_read, (*runs, B, H), weights.shape, biases.shape, of_peepholes)
        self._held = x, weights, biases, peepholes, h0, c0  # the kernel looks at them, both ways
        strides = x.stride()
        self.problem = _Problem(
            *(R, B, T, I, H, torch.get_num_threads(), cut),
            *(weights.data_ptr(), biases.data_ptr(), _at(peepholes), x.data_ptr()),
            *(strides if runs else (0, *strides))[:3],
            *(_at(h0), _at(c0)),
        )
        self.problem.parallel = team()

    def forward(self, h: Tensor, h_end: Tensor | None, c_end: Tensor | None, saved: Tensor | None) -> None:
        """Run it forward.

        Args:
            h: gets the states of all steps, the initial one first, [R, T + 1, Bp, Zp].
            h_end: gets the last of them, [R, B, Q·H].
            c_end: gets the last memory, [R, B, H].
            saved: gets what is needed for the way back.

        Raises:
            MemoryError: there is not enough memory.

        """
        problem, self._states = self.problem, (h, saved)
        problem.h, problem.saved, problem.h_end, problem.c_end = h.data_ptr(), _at(saved), _at(h_end), _at(c_end)
        self._failed(self.library.longlag_forward(ctypes.byref(problem)))

    def backward(
        self,
        d_out: Tensor | None,
        d_h: Tensor | None,
        d_c: Tensor | None,
        wanted: Sequence[bool],
        states: Tensor | None = None,
        saved: Tensor | None = None,
        flow_h: Tensor | None = None,
        flow_c: Tensor | None = None,
    ) -> list[Tensor | None]:
        """Run it backward.

        Args:
            d_out: the gradient of the states of all steps, [R, B, T, H].
            d_h: that of the last h, [R, B, Q·H].
            d_c: that of the last memory.
            wanted: which of the gradients of x, h0, c0, weights, biases and peepholes; of the last three, all or none.
            states: the states of all steps of another call, if this one has gone no way, [R, T + 1, Bp, Zp].
            saved: what that one has kept for the way back.
            flow_h: gets the whole gradients of all h, if it is there, [R, blocks, T, Hu, rows].
            flow_c: those of the memory.

        Returns:
            Those that are wanted.

        Raises:
            MemoryError: there is not enough memory.

        """
        problem, x = self.problem, self._held[0]
        dtype, here = x.dtype, x.device
        found = [
            torch.empty(shape, dtype=dtype, device=here) if want else None
            for want, shape in zip(wanted, self._shapes, strict=True)
        ]
        if d_out is not None:
            d_out = _rows(d_out)
            *of_run, problem.d_row, problem.d_step, _ = d_out.stride()
            problem.d_run = of_run[0] if of_run else 0
        d_h, d_c = _dense(d_h), _dense(d_c)
        problem.d_out, problem.d_h_end, problem.d_c_end = _at(d_out), _at(d_h), _at(d_c)
        if states is not None and saved is not None:
            problem.h, problem.saved = states.data_ptr(), saved.data_ptr()
        for name, array in zip(_GRADIENTS, found, strict=True):
            setattr(problem, name, _at(array))
        problem.flow_h, problem.flow_c = _at(flow_h), _at(flow_c)
        self._failed(self.library.longlag_backward(ctypes.byref(problem)))
        return found

    def _failed(self, failed: int) -> None:
        if failed:
            raise MemoryError("there is no memory for the native engine")


@functools.lru_cache(maxsize=256)
def _layout(library: ctypes.CDLL, *sizes: int) -> Layout:
    """Ask the kernel how it lays out a problem of R, B, T, I and H."""
    told = (ctypes.c_int64 * 6)()
    library.longlag_layout(ctypes.byref(_Problem(*sizes)), told)
    *layout, known = told
    assert known == ctypes.sizeof(_Problem)
    return Layout(*layout)


def _at(array: Tensor | None) -> int | None:
    return None if array is None else array.data_ptr()


def _dense(array: Tensor | None) -> Tensor | None:
    return None if array is None else array.resolve_neg().contiguous()


def _rows(array: Tensor) -> Tensor:
    """Return an array [R, B, T, …] whose last axis is dense."""
    array = array.resolve_neg()
    return array if array.stride(-1) == 1 or array.shape[-1] == 1 else array.contiguous()
