"""The contract of every cell, as checks."""

import torch
from torch import Tensor

from longlag.cells.state import leaves, replaced
from longlag.conformance.cell_under_test import CellUnderTest, relative_error
from longlag.conformance.result import Check
from longlag.engine.eager import unroll

EXACT = 1e-10  # relative, for float64 figures that differ by the order of a few hundred sums


class Contract:
    """The checks that apply to every cell.

    Args:
        cells: the cell under test.

    """

    def __init__(self, cells: CellUnderTest) -> None:
        self.cells = cells

    def checks(self) -> list[Check]:
        """Return the checks with their names."""
        return [
            ("shapes", self._shapes),
            ("types and devices", self._moves),
            ("the same twice", self._repeats),
            ("sequences are independent", self._batch),
            ("a sequence in two parts", self._split),
            ("gradient", self._gradient),
            ("long sequence, T=1000", self._long),
        ]

    def _shapes(self) -> tuple[bool, str]:
        cell = self.cells.fresh()
        good, shown = True, ""
        for B in (0, 1, 3):  # a device may get no sequence
            start = cell.initial_state(B)
            h, c = cell(self.cells.inputs(B, 1, torch.float32)[:, 0], start)
            shapes = [tuple(leaf.shape) for leaf in leaves((h, c))]
            good &= shapes[0] == (B, cell.hidden_size) and all(shape[0] == B for shape in shapes)
            good &= len(shapes) == len(leaves(start))
            shown = f"h {shapes[0]}, c {' '.join(map(str, shapes[1:]))}"
        if not getattr(cell, "has_cell_state", True) and not (isinstance(c, Tensor) and torch.equal(h, c)):
            return False, f"{shown}; the cell claims no cell state, so it should return h twice"
        return good, f"{shown} for B=3"

    def _moves(self) -> tuple[bool, str]:
        devices = ["meta", *(["cuda"] if torch.cuda.is_available() else [])]
        for dtype in (torch.float32, torch.float64):
            for device in ["cpu", *devices]:
                cell = self.cells.fresh().to(device=device, dtype=dtype)
                x = self.cells.inputs(2, 3, dtype).to(device)
                outputs, state = unroll(cell, x)
                for leaf in (outputs, *leaves(state)):
                    if leaf.dtype not in (dtype, dtype.to_complex()) or leaf.device.type != device:
                        return False, f"{leaf.dtype} on {leaf.device.type} but the cell is {dtype} on {device}"
        self._autocast()
        return True, f"float32, float64 and bf16-mixed, cpu and {' and '.join(devices)}"

    def _autocast(self) -> None:
        """Take two steps under automatic mixed precision, forward and backward.

        Raises:
            ArithmeticError: an output, a state or a gradient is not finite.

        """
        x = self.cells.inputs(2, 2, torch.float32).requires_grad_()
        with torch.autocast("cpu", dtype=torch.bfloat16):
            outputs, state = unroll(self.cells.fresh(), x)
        (gradient,) = torch.autograd.grad(outputs.float().sum(), x)
        if not all(bool(leaf.isfinite().all()) for leaf in (outputs, gradient, *leaves(state))):
            raise ArithmeticError("not finite in bf16-mixed")

    def _batch(self) -> tuple[bool, str]:
        cell, x = self.cells.fresh().double(), self.cells.inputs(4, 9)
        with torch.no_grad():
            together, _ = unroll(cell, x)
            alone = torch.cat([unroll(cell, x[k : k + 1])[0] for k in range(4)])
            spoilt = x.clone()
            spoilt[0] = float("nan")
            others, _ = unroll(cell, spoilt)
        off = relative_error(together, alone)
        leak = not torch.equal(others[1:], together[1:])
        return off < EXACT and not leak, f"off by {off:.0e}" + (
            "; a nan in one sequence reaches another" if leak else ""
        )

    def _repeats(self) -> tuple[bool, str]:
        first, second = self.cells.fresh(), self.cells.fresh()
        if any(not torch.equal(a, b) for a, b in zip(first.parameters(), second.parameters(), strict=True)):
            return False, "the same seed gives different weights"
        x = self.cells.inputs(3, 9, torch.float32)
        original = x.clone()
        before = torch.get_rng_state()
        with torch.no_grad():
            same = torch.equal(unroll(first, x)[0], unroll(second, x)[0])
        drawn = not torch.equal(before, torch.get_rng_state())
        cell, state = self.cells.running()
        kept = [leaf.clone() for leaf in leaves(state)]
        with torch.no_grad():
            cell(x[:2, 0].double(), state)
        changed = not all(map(torch.equal, leaves(state), kept))
        wrong = "draws random numbers in its steps" if drawn else "overwrites the state" if changed else ""
        wrong = wrong or ("overwrites its input" if not torch.equal(x, original) else "")
        return same and not wrong, wrong or ("bit for bit" if same else "differs")

    def _split(self) -> tuple[bool, str]:
        cell, x = self.cells.fresh().double(), self.cells.inputs(3, 20)
        off = 0.0
        with torch.no_grad():
            whole, end = unroll(cell, x)
            starts = [
                (k, *unroll(cell, x[:, :k])) for k in (1, 7, 19)
            ]  # all starts first, so that only the state can carry information
            for k, first, state in starts:
                second, last = unroll(cell, x[:, k:], state)
                off = max(off, relative_error(whole, torch.cat([first, second], dim=1)))
                off = max(off, *(relative_error(a, b) for a, b in zip(leaves(end), leaves(last), strict=True)))
        return off < EXACT, f"off by {off:.0e}"

    def _gradient(self) -> tuple[bool, str]:
        """Compare with finite differences along random directions of the input, the state and the parameters.

        If the cell cuts its gradient on purpose, only the memory counts of the state.
        """
        cell, state = self.cells.running()
        truncated = getattr(cell, "truncated", False)
        names = [name for name, _ in cell.named_parameters()]
        weights = [p.detach().requires_grad_() for p in cell.parameters()]
        held = [cell.memory(state)] if truncated else leaves(state)
        unique = list({id(leaf): leaf for leaf in held}.values())
        parts = [leaf.detach().clone().requires_grad_() for leaf in unique]
        x = self.cells.inputs(2, 1)[:, 0].requires_grad_()

        def step(x: Tensor, *values: Tensor) -> tuple[Tensor, ...]:
            changed = dict(zip(map(id, unique), values, strict=False))
            bound = dict(zip(names, values[len(unique) :], strict=True))
            after = torch.func.functional_call(cell, bound, (x, replaced(state, changed)))
            return tuple({id(leaf): leaf for leaf in leaves(after)}.values())

        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(0)  # gradcheck draws its directions
            right = torch.autograd.gradcheck(step, (x, *parts, *weights), fast_mode=True)
        cut = "; the paths that the cell cuts on purpose are left out" if truncated else ""
        return right, f"equals finite differences, in {1 + len(parts) + len(weights)} tensors{cut}"

    def _long(self) -> tuple[bool, str]:
        cell = self.cells.fresh()
        x = self.cells.inputs(2, 1000, torch.float32).requires_grad_()
        outputs, state = unroll(cell, x)
        outputs[:, -1].sum().backward()  # type: ignore[no-untyped-call]
        gradients = [p.grad for p in (x, *cell.parameters()) if p.grad is not None]
        finite = all(bool(leaf.isfinite().all()) for leaf in (outputs, *gradients, *leaves(state)))
        with torch.no_grad():
            other, _ = unroll(cell, self.cells.inputs(2, 3, torch.float32) + 1)
        if torch.equal(other, outputs[:, :3]):
            return False, "the outputs do not depend on the input"
        return finite, "outputs, states and gradients are finite" if finite else "not all finite"
