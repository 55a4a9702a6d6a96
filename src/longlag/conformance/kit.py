"""The conformance kit: what every cell must keep to, and what it must live up to because it claims it."""

from collections.abc import Callable, Iterator
from typing import Any

import torch
from torch import Tensor

from longlag.cells import GatedCell, State
from longlag.conformance.result import Check, DoesNotApplyError, Result, leaves, made, replaced
from longlag.engine.eager import unroll

#: Makes a fresh cell, with some of its arguments changed; its weights come from torch's global generator.
MakeCell = Callable[..., Any]

OPEN = 50.0  # a bias that opens a gate: 1 − σ(50) is 2e-22
STEPS = 60
EXACT = 1e-10  # relative, for float64 figures that differ by the order of a few hundred roundings
FORGET_BIASES = (-1.0, 0.0, 1.0, 3.0, 7.0)


class Kit:
    """The checks of one cell, made on its behaviour; what a cell claims is said in :class:`longlag.cells.Cell`.

    Args:
        make: makes the cell under test.
        input_size: I of the inputs that it is given.

    """

    def __init__(self, make: MakeCell, input_size: int) -> None:
        self.make = make
        self.input_size = input_size

    def run(self) -> Iterator[Result]:
        """Make the checks one after the other and yield what each found."""
        checks: list[Check] = [
            ("shapes", self._shapes),
            ("types and devices", self._moves),
            ("each sequence for itself", self._batch),
            ("the same twice", self._repeats),
            ("a sequence in two parts", self._split),
            ("gradient", self._gradient),
            (f"long sequence, T={1000}", self._long),
            ("gates in [0, 1]", self._gates),
            ("biases open and shut the gates", self._biases),
            ("effective forget bias", self._forget_bias),
            ("constant error carousel", self._carousel),
            ("linear in the state", self._linear),
        ]
        return made(checks)

    def _shapes(self) -> tuple[bool, str]:
        cell = self._fresh()
        good, said = True, ""
        for B in (1, 3):
            start = cell.initial_state(B)
            h, c = cell(self._inputs(B, 1, torch.float32)[:, 0], start)
            shapes = [tuple(leaf.shape) for leaf in leaves((h, c))]
            good &= shapes[0] == (B, cell.hidden_size) and all(shape[0] == B for shape in shapes)
            good &= len(shapes) == len(leaves(start))
            said = f"h {shapes[0]}, c {' '.join(map(str, shapes[1:]))}"
        if not getattr(cell, "has_cell_state", True) and not (isinstance(c, Tensor) and torch.equal(h, c)):
            return False, f"{said}; it claims no cell state, so h should be returned twice"
        return good, f"{said} for B=3"

    def _moves(self) -> tuple[bool, str]:
        devices = ["meta", *(["cuda"] if torch.cuda.is_available() else [])]
        for dtype in (torch.float32, torch.float64):
            for device in ["cpu", *devices]:
                cell = self._fresh().to(device=device, dtype=dtype)
                x = self._inputs(2, 3, dtype).to(device)
                outputs, state = unroll(cell, x)
                for leaf in (outputs, *leaves(state)):
                    if leaf.dtype not in (dtype, dtype.to_complex()) or leaf.device.type != device:
                        return False, f"{leaf.dtype} on {leaf.device.type} where the cell is {dtype} on {device}"
        return True, f"float32 and float64, cpu and {' and '.join(devices)}"

    def _batch(self) -> tuple[bool, str]:
        cell, x = self._fresh().double(), self._inputs(4, 9)
        with torch.no_grad():
            together, _ = unroll(cell, x)
            alone = torch.cat([unroll(cell, x[k : k + 1])[0] for k in range(4)])
            spoilt = x.clone()
            spoilt[0] = float("nan")
            others, _ = unroll(cell, spoilt)
        off = _off(together, alone)
        leak = not torch.equal(others[1:], together[1:])
        return off < EXACT and not leak, f"off by {off:.0e}" + ("; a nan in one reaches another" if leak else "")

    def _repeats(self) -> tuple[bool, str]:
        first, second = self._fresh(), self._fresh()
        if any(not torch.equal(a, b) for a, b in zip(first.parameters(), second.parameters(), strict=True)):
            return False, "the same seed gives other weights"
        x = self._inputs(3, 9, torch.float32)
        before = torch.get_rng_state()
        with torch.no_grad():
            same = torch.equal(unroll(first, x)[0], unroll(second, x)[0])
        drawn = not torch.equal(before, torch.get_rng_state())
        return (
            same and not drawn,
            "draws random numbers in its steps" if drawn else "bit for bit" if same else "differs",
        )

    def _split(self) -> tuple[bool, str]:
        cell, x = self._fresh().double(), self._inputs(3, 20)
        off = 0.0
        with torch.no_grad():
            whole, end = unroll(cell, x)
            for k in (1, 7, 19):
                first, state = unroll(cell, x[:, :k])
                second, last = unroll(cell, x[:, k:], state)
                off = max(off, _off(whole, torch.cat([first, second], dim=1)))
                off = max(off, *(_off(a, b) for a, b in zip(leaves(end), leaves(last), strict=True)))
        return off < EXACT, f"off by {off:.0e}"

    def _gradient(self) -> tuple[bool, str]:
        """Compare with differences, over the input, the state and the parameters, along random directions."""
        cell, state = self._running()
        if getattr(cell, "truncated", False):
            raise DoesNotApplyError("the gradient is cut inside the cell on purpose")
        names = [name for name, _ in cell.named_parameters()]
        weights = [p.detach().requires_grad_() for p in cell.parameters()]
        unique = list({id(leaf): leaf for leaf in leaves(state)}.values())
        parts = [leaf.detach().clone().requires_grad_() for leaf in unique]
        x = self._inputs(2, 1)[:, 0].requires_grad_()

        def step(x: Tensor, *given: Tensor) -> tuple[Tensor, ...]:
            changed = dict(zip(map(id, unique), given, strict=False))
            bound = dict(zip(names, given[len(unique) :], strict=True))
            after = torch.func.functional_call(cell, bound, (x, replaced(state, changed)))
            return tuple({id(leaf): leaf for leaf in leaves(after)}.values())

        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(0)  # gradcheck draws its directions
            right = torch.autograd.gradcheck(step, (x, *parts, *weights), fast_mode=True)
        return right, f"as by differences, in {1 + len(parts) + len(weights)} tensors"

    def _long(self) -> tuple[bool, str]:
        cell = self._fresh()
        x = self._inputs(2, 1000, torch.float32).requires_grad_()
        outputs, state = unroll(cell, x)
        outputs[:, -1].sum().backward()  # type: ignore[no-untyped-call]
        assert x.grad is not None
        finite = all(bool(leaf.isfinite().all()) for leaf in (outputs, x.grad, *leaves(state)))
        return finite, "all finite, the gradient too" if finite else "not all finite"

    def _gates(self) -> tuple[bool, str]:
        cell, state = self._running()
        _refuse_without_gates(cell)
        said, good = [], True
        found = cell.gates(3 * self._inputs(2, 1)[:, 0], state)
        for name, gate in found.items():
            low, high = gate.min().item(), gate.max().item()
            good &= 0 <= low <= high <= 1
            said.append(f"{name} in [{low:.2f}, {high:.2f}]")
        return good and tuple(found) == cell.gate_names, ", ".join(said)

    def _biases(self) -> tuple[bool, str]:
        _refuse_without_gates(self._fresh())
        wrong = []
        for name in self._fresh().gate_names:
            shut, opened = (self._gate_with_bias(name, bias) for bias in (-OPEN, OPEN))
            if not bool((shut < 1e-9).all()) or not bool((opened > shut).all()):
                wrong.append(name)
        return not wrong, f"{', '.join(wrong)} cannot be shut" if wrong else f"±{OPEN:g}"

    def _gate_with_bias(self, name: str, bias: float) -> Tensor:
        cell, state = self._running()
        cell.gate_bias(name).fill_(bias)
        gate: Tensor = cell.gates(self._inputs(2, 1)[:, 0], state)[name]
        return gate

    def _forget_bias(self) -> tuple[bool, str]:
        _refuse_without_forget_gate(self._fresh())
        said, good = [], True
        for bias in FORGET_BIASES:
            cell = self._fresh(forget_bias=bias).double()
            x = torch.zeros(1, self.input_size, dtype=torch.float64)
            gate = cell.gates(x, cell.initial_state(1, dtype=torch.float64))[cell.forget_gate]
            effective = torch.logit(gate)
            # the bias is kept in float32, to six digits; the logit of a gate near 1 has fewer than the gate
            good &= torch.allclose(effective, torch.full_like(effective, bias), rtol=1e-5, atol=1e-6)
            said.append(f"{effective.mean().item():.4g}")
        written = ", ".join(f"{bias:g}" for bias in FORGET_BIASES)
        return good, f"{', '.join(said)} where {written} is written"

    def _carousel(self) -> tuple[bool, str]:
        cell, state = self._running()
        if not getattr(cell, "has_carousel", False):
            raise DoesNotApplyError("it claims none")
        if cell.forget_gate is not None:
            cell.gate_bias(cell.forget_gate).fill_(OPEN)
        if "i" in cell.gate_names:
            cell.gate_bias("i").fill_(-OPEN)
        memory = cell.memory(state)
        start = memory.detach().clone().requires_grad_()
        _, end = unroll(cell, self._inputs(2, STEPS), replaced(state, {id(memory): start}))
        carried = cell.memory(end)
        weights = torch.linspace(1, 2, carried.numel(), dtype=torch.float64).view_as(carried)
        (gradient,) = torch.autograd.grad((carried * weights).sum(), start)
        change = (carried - start).abs().max().item()
        lost = (gradient - weights).abs().max().item()
        return max(
            change, lost
        ) < 1e-9, f"over {STEPS} steps the memory changes by {change:.0e}, its error by {lost:.0e}"

    def _linear(self) -> tuple[bool, str]:
        cell, state = self._running()
        if not getattr(cell, "linear_in_state", False):
            raise DoesNotApplyError("it claims nothing of the kind")
        x, memory = self._inputs(2, 1)[:, 0], cell.memory(state)

        def after(given: Tensor) -> Tensor:
            with torch.no_grad():
                found: Tensor = cell.memory(cell(x, replaced(state, {id(memory): given})))
            return found

        other = torch.flip(memory, [-1]) + 1
        off = _off(after(memory + other) + after(torch.zeros_like(memory)), after(memory) + after(other))
        if not cell.has_cell_state:
            return off < EXACT, f"superposition off by {off:.0e}"
        read = _off(after(memory), cell.memory(cell(x, (state[0] + 1, state[1]))))
        return max(off, read) < EXACT, f"superposition off by {off:.0e}, {'h is read' if read else 'h is not read'}"

    def _fresh(self, **changes: Any) -> Any:
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(0)
            return self.make(**changes)

    def _running(self) -> tuple[Any, State]:
        """Return a float64 cell and a state of two sequences in which it is after three steps."""
        cell = self._fresh().double()
        with torch.no_grad():
            _, state = unroll(cell, self._inputs(2, 3))
        return cell, state

    def _inputs(self, B: int, T: int, dtype: torch.dtype = torch.float64) -> Tensor:
        return torch.randn(B, T, self.input_size, generator=torch.Generator().manual_seed(0), dtype=dtype)


def _refuse_without_gates(cell: Any) -> None:
    if not isinstance(cell, GatedCell) or not cell.gate_names:
        raise DoesNotApplyError("it has no gates (a longlag.cells.GatedCell has)")


def _refuse_without_forget_gate(cell: Any) -> None:
    _refuse_without_gates(cell)
    if cell.forget_gate is None:
        raise DoesNotApplyError("it has no forget gate")


def _off(found: Tensor, wanted: Tensor) -> float:
    """Return the norm of the difference over the norm, or the norm of the difference where the latter is 0."""
    norm = torch.linalg.vector_norm(wanted).item()
    return float(torch.linalg.vector_norm(found - wanted).item() / (norm or 1.0))
