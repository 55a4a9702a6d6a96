"""The checks of the claims of a cell; ``longlag.cells`` lists what a cell can claim."""

from typing import Any

import torch
from torch import Tensor

from longlag.cells import GatedCell, LinearCell
from longlag.cells.gated import NoBiasError
from longlag.cells.state import replaced
from longlag.conformance.cell_under_test import CellUnderTest, relative_error
from longlag.conformance.contract import EXACT
from longlag.conformance.result import Check, DoesNotApplyError
from longlag.engine import Scan
from longlag.engine.eager import unroll

OPEN = 50.0  # a bias that opens a gate: 1 − σ(50) is 2e-22
STEPS = 60
FORGET_BIASES = (-1.0, 0.0, 1.0, 3.0, 7.0)


class Claims:
    """The checks that follow from the attributes of the class of the cell.

    Args:
        cells: the cell under test.

    """

    def __init__(self, cells: CellUnderTest) -> None:
        self.cells = cells

    def checks(self) -> list[Check]:
        """Return the checks with their names."""
        return [
            ("gates in [0, 1]", self._gates),
            ("biases open and shut the gates", self._biases),
            ("effective forget bias", self._forget_bias),
            ("constant error carousel", self._carousel),
            ("linear in the state", self._linear),
        ]

    def _gates(self) -> tuple[bool, str]:
        cell, state = self.cells.running()
        _refuse_without_gates(cell)
        ranges, good = [], True
        gates = cell.gates(3 * self.cells.inputs(2, 1)[:, 0], state)
        for name, gate in gates.items():
            low, high = gate.min().item(), gate.max().item()
            good &= 0 <= low <= high <= 1
            ranges.append(f"{name} in [{low:.2f}, {high:.2f}]")
        odd = set(gates) ^ set(cell.gate_names)
        ranges += [f"gates() and gate_names differ in {', '.join(sorted(odd))}"] if odd else []
        return good and not odd, ", ".join(ranges)

    def _biases(self) -> tuple[bool, str]:
        """Shut and open each gate by its bias; a gate that another one normalises opens at least half."""
        _refuse_without_gates(self.cells.fresh())
        wrong = []
        for name in self.cells.fresh().gate_names:
            (shut, h), (opened, _) = (self._with_bias(name, bias) for bias in (-OPEN, OPEN))
            wrong += [f"{name} cannot be shut"] if not bool((shut < 1e-9).all()) else []
            wrong += [f"{name} cannot be opened"] if not bool((opened > 0.5).all()) else []
            wrong += ["h is not 0 behind a shut o"] if name == "o" and not bool((h.abs() < 1e-9).all()) else []
        wrong += self._output_gate()
        return not wrong, ", ".join(wrong) or f"±{OPEN:g}"

    def _output_gate(self) -> list[str]:
        """Compare h with the h of an open output gate: the ratio is the gate."""
        cell, state = self.cells.running()
        if "o" not in cell.gate_names:
            return []
        x = self.cells.inputs(2, 1)[:, 0]
        with torch.no_grad():
            gate, h = cell.gates(x, state)["o"], cell(x, state)[0]
        _, whole = self._with_bias("o", OPEN)
        per_unit = gate.repeat_interleave(h.shape[1] // gate.shape[1], dim=1)  # a gate may serve several units
        return [] if relative_error(h, per_unit * whole) < EXACT else ["h is not multiplied by o"]

    def _with_bias(self, name: str, bias: float) -> tuple[Tensor, Tensor]:
        """Return a gate and the hidden state after a step with this bias of the gate."""
        cell, state = self.cells.running()
        _bias(cell, name).fill_(bias)
        x = self.cells.inputs(2, 1)[:, 0]
        with torch.no_grad():
            return cell.gates(x, state)[name], cell(x, state)[0]

    def _forget_bias(self) -> tuple[bool, str]:
        """Measure the forget gate from outside, without input and weights, as ∂memory'/∂memory.

        The values of ``gates`` and ``direct_path`` must agree with it.
        """
        _refuse_without_forget_gate(self.cells.fresh())
        reported, measured, direct = zip(*map(self._effective, FORGET_BIASES), strict=True)
        # the bias is kept in float32, to six digits; the logit of a gate near 1 has fewer than the gate
        good = all(
            torch.allclose(logit, torch.full_like(logit, bias), rtol=1e-5, atol=1e-6)
            for logits in (reported, measured)
            for logit, bias in zip(logits, FORGET_BIASES, strict=True)
        )
        acts, returns = (", ".join(f"{logit.mean().item():.4g}" for logit in logits) for logits in (measured, reported))
        settings = ", ".join(f"{bias:g}" for bias in FORGET_BIASES)
        figure = f"{acts} for forget_bias={settings}" + (f", and gates() returns {returns}" if returns != acts else "")
        if not all(torch.allclose(path, torch.sigmoid(logit)) for path, logit in zip(direct, measured, strict=True)):
            return False, f"{figure}; direct_path() is not the factor of the memory"
        return good, figure

    def _effective(self, bias: float) -> tuple[Tensor, Tensor, Tensor]:
        """Return the logits of the forget gate without input, as returned and as it acts, and the direct path."""
        cell = self.cells.fresh(forget_bias=bias).double()
        x = torch.zeros(1, self.cells.input_size, dtype=torch.float64)
        start = cell.initial_state(1, dtype=torch.float64)
        reported = cell.gates(x, start)[cell.forget_gate]
        biases = {name: cell.gate_bias(name).clone() for name in cell.gate_names}
        with torch.no_grad():
            for name, parameter in cell.named_parameters():
                if not name.endswith("bias"):  # weights of any shape, peepholes too
                    parameter.zero_()
            for name, kept in biases.items():
                cell.gate_bias(name).copy_(kept)
            state = cell(x, start)  # after a step, because a memory with a separate scale has none before
        memory = cell.memory(state)
        leaf = memory.detach().clone().requires_grad_()
        after = cell.memory(cell(x, replaced(state, {id(memory): leaf})))
        path = cell.direct_path(x, state)
        assert path is not None, "direct_path() is the forget gate where there is one"
        return torch.logit(reported), torch.logit(torch.autograd.grad(after.sum(), leaf)[0]), path.expand_as(memory)

    def _carousel(self) -> tuple[bool, str]:
        cell, state = self.cells.running()
        if not getattr(cell, "has_carousel", False):
            raise DoesNotApplyError("the cell claims none")
        shut, opened = "i" in getattr(cell, "gate_names", ()), getattr(cell, "forget_gate", None)
        if opened is not None:
            _bias(cell, opened).fill_(OPEN)
        if shut:
            _bias(cell, "i").fill_(-OPEN)
        x = self.cells.inputs(2, STEPS)
        if not shut and opened is None:
            x = torch.zeros_like(x)
        memory = cell.memory(state)
        start = memory.detach().clone().requires_grad_()
        _, end = unroll(cell, x, replaced(state, {id(memory): start}))
        carried = cell.memory(end)
        weights = torch.linspace(1, 2, carried.numel(), dtype=torch.float64).view_as(carried)
        (gradient,) = torch.autograd.grad((carried * weights).sum(), start)
        change = (carried - start).abs().max().item()
        lost = (gradient - weights).abs().max().item()
        figure = f"over {STEPS} steps the memory changes by {change:.0e}, its error by {lost:.0e}"
        return max(change, lost) < 1e-9, figure

    def _linear(self) -> tuple[bool, str]:
        cell, state = self.cells.running()
        if not getattr(cell, "linear_in_state", False):
            raise DoesNotApplyError("the cell does not claim it")
        x, memory = self.cells.inputs(2, 1)[:, 0], cell.memory(state)

        def after(changed: Tensor) -> Tensor:
            with torch.no_grad():
                result: Tensor = cell.memory(cell(x, replaced(state, {id(memory): changed})))
            return result

        other = torch.flip(memory, [-1]) + 1
        off = relative_error(after(memory + other) + after(torch.zeros_like(memory)), after(memory) + after(other))
        if isinstance(cell, LinearCell) and type(cell).forward is LinearCell.forward:
            sequence = self.cells.inputs(2, 7)
            off = max(off, relative_error(Scan().unroll(cell, sequence)[0], unroll(cell, sequence)[0]))
        if not cell.has_cell_state:
            return off < EXACT, f"superposition off by {off:.0e}"
        read = relative_error(after(memory), cell.memory(cell(x, (state[0] + 1, state[1]))))
        return max(off, read) < EXACT, f"superposition off by {off:.0e}, {'h is read' if read else 'h is not read'}"


def _refuse_without_gates(cell: Any) -> None:
    if not isinstance(cell, GatedCell) or not cell.gate_names:
        raise DoesNotApplyError("the cell has no gates (a longlag.cells.GatedCell has)")


def _refuse_without_forget_gate(cell: Any) -> None:
    _refuse_without_gates(cell)
    if cell.forget_gate is None:
        raise DoesNotApplyError("the cell has no forget gate")


def _bias(cell: Any, name: str) -> Tensor:
    """Return the bias of a gate."""
    try:
        bias: Tensor = cell.gate_bias(name)
    except NoBiasError as error:
        raise DoesNotApplyError(str(error)) from error
    return bias
