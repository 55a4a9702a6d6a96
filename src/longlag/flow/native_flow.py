"""The error flow through many models at once, by the native kernel.

The numbers of a model do not depend on the others, nor on the number of threads: all else than the kernel works on one
number at a time, or sums over the units, the steps or the sequences of one model.
"""

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor
from torch.nn.functional import linear

from longlag.engine.native import Native, NoLibraryError
from longlag.engine.native.recorded_run import RecordedRuns
from longlag.flow.gates import lane_gate_figures
from longlag.flow.measurement import ErrorFlow, Loss
from longlag.flow.norms import log10_norms
from longlag.flow.tape import has_direct_path
from longlag.flow.targets import answered_once, last_counted
from longlag.model import SequenceModel
from longlag.task import Batch


def runs_natively(model: SequenceModel) -> bool:
    """Return whether the native kernel runs all cells of a model in float64 on this machine.

    It takes copies of the weights on the CPU, so the model may be on a GPU.
    """
    native, first = Native(), next(model.parameters())
    if model.shortcut is not None or first.device.type not in ("cpu", "cuda"):
        return False
    if any(native.refusal(cell) is not None for cell in model.cells):
        return False
    try:
        for cell in model.cells:
            native.prepare(cell, torch.float64)
    except NoLibraryError:
        return False
    return True


def native_flows(models: Sequence[SequenceModel], batches: Sequence[Batch], losses: Sequence[Loss]) -> list[ErrorFlow]:
    """Measure the error flow through models; see :func:`longlag.flow.error_flow.error_flow`.

    Args:
        models: of one kind and shape, see :func:`runs_natively`.
        batches: of one shape.
        losses: the loss of the task of each.

    """
    flows = _Flows(models, [_in_float64(batch) for batch in batches])
    of_loss, of_sum = flows.errors_at_outputs(losses)
    wholes, entering = flows.send_back(of_loss)
    early = flows.first_inputs(of_sum).abs().flatten(1).mean(1).tolist()
    directs = flows.direct(entering)
    logs = [log10_norms({**whole, **direct}, flows.last) for whole, direct in zip(wholes, directs, strict=True)]
    gates = [
        lane_gate_figures(run.gates(), getattr(cells[0], "forget_gate", None), flows.lengths)
        for run, cells in zip(flows.runs, flows.cells, strict=True)
    ]
    return [
        ErrorFlow(
            [{name: values[r, : int(last.max()) + 1] for name, values in layer.items()} for layer in logs],
            early[r],
            [layer[r] for layer in gates],
        )
        for r, last in enumerate(flows.last)
    ]


def _in_float64(batch: Batch) -> Batch:
    """Return a batch in float64 on the CPU."""
    there = batch.to(torch.device("cpu"))
    return Batch(*(part.double() if part.is_floating_point() else part.clone() for part in there))


class _Flows:
    """R models that have run over their batches of B sequences.

    Args:
        models: the models.
        batches: in float64, on the CPU.

    """

    def __init__(self, models: Sequence[SequenceModel], batches: Sequence[Batch]) -> None:
        self._models, self._batches = models, batches
        self._first = models[0]
        self.cells: list[list[Any]] = [[model.cells[k] for model in models] for k in range(len(self._first.cells))]
        self.last = torch.stack([last_counted(batch.mask) for batch in batches])  # [R, B]
        self.lengths = torch.stack([batch.lengths for batch in batches])  # [R, B]
        hidden = torch.stack([batch.inputs for batch in batches])  # [R, B, L, I]
        self.runs: list[RecordedRuns] = []
        for k, cells in enumerate(self.cells):
            self.runs.append(RecordedRuns(cells, hidden))
            hidden = self.runs[-1].hidden + hidden if self._first.residual and k > 0 else self.runs[-1].hidden
        self._hidden = hidden
        self._weights = [model.readout.weight.detach().to("cpu", torch.float64) for model in models]

    def errors_at_outputs(self, losses: Sequence[Loss]) -> tuple[list[Tensor], list[Tensor]]:
        """Return the gradients of the loss of a sequence, and of the sum of its last outputs, [B, O] or [B, L, O]."""
        outputs = []
        for r, (model, weights) in enumerate(zip(self._models, self._weights, strict=True)):
            bias = None if model.readout.bias is None else model.readout.bias.detach().to("cpu", torch.float64)
            hidden = self._hidden[r]
            if model.reads == "last":
                hidden = hidden[torch.arange(len(hidden)), self.lengths[r] - 1]
            outputs.append(linear(hidden, weights, bias).requires_grad_())
        of_sequences = [
            loss(out, answered_once(batch, last)) * len(last)
            for loss, out, batch, last in zip(losses, outputs, self._batches, self.last, strict=True)
        ]
        of_loss = list(torch.autograd.grad(of_sequences, outputs))
        of_sum = [torch.zeros_like(out) for out in of_loss]
        for ones, last in zip(of_sum, self.last, strict=True):
            ones[(torch.arange(len(last)), last) if self._first.reads == "every" else ()] = 1
        return of_loss, of_sum

    def send_back(self, errors: Sequence[Tensor]) -> tuple[list[dict[str, Tensor]], Tensor]:
        """Return the whole gradients of each layer, and the error at the hidden states of the top layer.

        ``dx`` is [R, B, L, I]; ``dh``, and ``dc`` of a cell with a cell state, are in the kernel's layout.
        """
        entering = error = self._at_hidden(errors)
        wholes: list[dict[str, Tensor]] = []
        for k in reversed(range(len(self.runs))):
            dx, dh, dc = self.runs[k].back(error)
            states = {"dh": dh, "dc": dc} if self.cells[k][0].has_cell_state else {"dh": dh}
            wholes.insert(0, {"dx": dx, **states})
            error = dx + error if self._first.residual and k > 0 else dx
        return wholes, entering

    def first_inputs(self, errors: Sequence[Tensor]) -> Tensor:
        """Return the gradients of the inputs at t = 0, [R, B, I]."""
        error = self._at_hidden(errors)
        for k in reversed(range(len(self.runs))):
            dx, _, _ = self.runs[k].back(error)
            error = dx + error if self._first.residual and k > 0 else dx
        return error[:, :, 0]

    def direct(self, error: Tensor) -> list[dict[str, Tensor]]:
        """Return the gradients along the direct path of each layer, down to the first layer without such a path."""
        directs: list[dict[str, Tensor]] = [{} for _ in self.runs]
        for k in reversed(range(len(self.runs))):
            if not has_direct_path(self.cells[k][0]):
                break
            dx, _, dc = self.runs[k].back(error, direct=True)
            directs[k] = {"dx_direct": dx, "dc_direct": dc}
            error = dx + error if self._first.residual and k > 0 else dx
        return directs

    def _at_hidden(self, errors: Sequence[Tensor]) -> Tensor:
        """Send errors at the outputs back through the readouts, [R, B, L, H]."""
        back = torch.stack([error @ weights for error, weights in zip(errors, self._weights, strict=True)])
        if self._first.reads == "every":
            return back
        R, B, L, H = self._hidden.shape
        whole = back.new_zeros(R, B, L, H)
        whole[torch.arange(R)[:, None], torch.arange(B), self.lengths - 1] = back
        return whole
