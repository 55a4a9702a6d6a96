"""The kernel as one PyTorch operation with its gradient: R models of one shape, over all steps."""

import ctypes
import functools
from collections.abc import Sequence
from typing import Any, NamedTuple

import torch
from torch import Tensor

from longlag.engine.kernel_weights import Packed, check_one_derivative, check_shapes
from longlag.engine.native.buffers import Loan, empty
from longlag.engine.native.build import library, team

#: The gradients that the kernel can compute, in the order of the arguments of ``_Unroll``.
_GRADIENTS = ("d_x", "d_h0", "d_c0", "d_weights", "d_biases", "d_peepholes")


class _Problem(ctypes.Structure):
    """The arguments of the kernel; ``problem.h`` explains each."""

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
    """How the kernel lays a problem out in memory.

    Args:
        rows: the number of sequences in a block.
        Bp: the padded number of sequences.
        Zp: the padded number of values that a step reads of the step before: h, and the gates that are read.
        Hu: the padded number of units.
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
        h0: the initial h and the Q − 1 gates that are read, [R, B, Q·H] or [B, Q·H]; ``None`` for zeros.
        c0: the initial memory, [R, B, H] or [B, H]; ``None`` for zeros.

    Returns:
        h of all steps [R, B, T, H], and the last h [R, B, Q·H] and c [R, B, H], each without R if ``x`` has none; for a
        cell without a cell state, c is h.

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
        of_run = ((T + 1) * Bp * Zp,) if runs else ()
        # a tensor of its own, and no view: autograd lets nobody change a view of this kind
        hidden = torch.empty(0, dtype=dtype, device=here)
        hidden.set_(h.untyped_storage(), Bp * Zp, (*runs, B, T, H), (*of_run, Zp, Bp * Zp, 1))
        ctx.save_for_backward(x, h0, c0, weights, biases, peepholes, hidden)  # the way back refuses if one was changed
        ctx.set_materialize_grads(False)
        return hidden, h_end, c_end

    @staticmethod
    def backward(ctx: Any, d_out: Tensor | None, d_h: Tensor | None, d_c: Tensor | None) -> tuple[Tensor | None, ...]:
        check_one_derivative("native")
        *inputs, _ = ctx.saved_tensors
        wanted = list(ctx.needs_input_grad[:6])
        wanted[3:5] = [any(wanted[3:])] * 2  # the kernel computes all of these or none
        wanted[5] = wanted[3] and inputs[5] is not None
        return *ctx.call.backward(d_out, d_h, d_c, wanted), None, None


class Call:
    """A call of the kernel: its arguments and their layout.

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
        self._held = x, weights, biases, peepholes, h0, c0  # the kernel reads them, forward and backward
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
            h: the output array of the states of all steps, the initial state first, [R, T + 1, Bp, Zp].
            h_end: the output array of the last h, and the last gates that are read, [R, B, Q·H].
            c_end: the output array of the last memory, [R, B, H].
            saved: the output array of what the way back needs.

        Raises:
            MemoryError: there is not enough memory.

        """
        problem, self._states = self.problem, (h, saved)
        problem.h, problem.saved, problem.h_end, problem.c_end = h.data_ptr(), _at(saved), _at(h_end), _at(c_end)
        self._check(self.library.longlag_forward(ctypes.byref(problem)))

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
            d_h: the gradient of the last h, [R, B, Q·H].
            d_c: the gradient of the last memory.
            wanted: which of the gradients of x, h0, c0, weights, biases and peepholes; of the last three, all or none.
            states: the states of all steps [R, T + 1, Bp, Zp] of another call, if this one has not run forward.
            saved: what the other call has saved for the way back.
            flow_h: the output array of the whole gradients of h at all steps, [R, blocks, T, Hu, rows].
            flow_c: the same of the memory.

        Returns:
            The gradients; ``None`` for each that is not wanted.

        Raises:
            MemoryError: there is not enough memory.

        """
        problem, x = self.problem, self._held[0]
        dtype, here = x.dtype, x.device
        gradients = [
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
        for name, array in zip(_GRADIENTS, gradients, strict=True):
            setattr(problem, name, _at(array))
        problem.flow_h, problem.flow_c = _at(flow_h), _at(flow_c)
        self._check(self.library.longlag_backward(ctypes.byref(problem)))
        return gradients

    def _check(self, failed: int) -> None:
        if failed:
            raise MemoryError("there is no memory for the native engine")


@functools.lru_cache(maxsize=256)
def _layout(library: ctypes.CDLL, *sizes: int) -> Layout:
    """Return how the kernel lays out a problem of R, B, T, I and H."""
    numbers = (ctypes.c_int64 * 6)()
    library.longlag_layout(ctypes.byref(_Problem(*sizes)), numbers)
    *layout, size_of_problem = numbers
    assert size_of_problem == ctypes.sizeof(_Problem)
    return Layout(*layout)


def _at(array: Tensor | None) -> int | None:
    return None if array is None else array.data_ptr()


def _dense(array: Tensor | None) -> Tensor | None:
    return None if array is None else array.resolve_neg().contiguous()


def _rows(array: Tensor) -> Tensor:
    """Return an array [R, B, T, …] whose last axis is dense."""
    array = array.resolve_neg()
    return array if array.stride(-1) == 1 or array.shape[-1] == 1 else array.contiguous()
