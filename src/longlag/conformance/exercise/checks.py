"""The six checks of the exercise: they test whether a cell behaves as the LSTM that the exercise asks for."""

from collections.abc import Callable, Iterator
from typing import Any

import torch
from torch import Tensor, nn

from longlag.cells.state import leaves
from longlag.conformance.exercise.training import Exercise, Trial
from longlag.conformance.result import Check, DoesNotApplyError, Result, run_checks
from longlag.engine.eager import unroll

#: Makes a fresh cell from a hidden size; its weights come from torch's global generator.
MakeCell = Callable[[int], Any]


B, H = 8, 16  # the sizes of the checks that need no training
SOLVES, FAILS, GAP, RATIO = 0.9, 0.75, 0.2, 10.0


class SixChecks:
    """The six checks of a cell.

    Args:
        make: makes the cell under test.
        make_rnn: makes the vanilla RNN, for comparison.
        exercise: trains both cells and measures their early gradients.
        forget_bias: the forget bias that the cell is made with; ``None`` if it takes none.

    """

    def __init__(
        self, make: MakeCell, make_rnn: MakeCell, exercise: Exercise, forget_bias: float | None = None
    ) -> None:
        self.forget_bias = forget_bias
        self.make = make
        self.make_rnn = make_rnn
        self.exercise = exercise
        self.input_size = exercise.task.input_size
        self.is_baseline = type(self._fresh()) is type(make_rnn(1))

    def run(self) -> Iterator[Result]:
        """Run the checks one after the other and yield their results."""
        checks: list[Check] = [
            ("output shapes", self._shapes),
            ("gates in (0, 1), candidate in (-1, 1)", self._gates),
            ("the cell carries its state unchanged", self._carried),
            (f"solves delayed XOR at T={self.exercise.T}, the RNN does not", self._solves),
            (f"early gradient at T={self.exercise.T}, against the RNN's", self._early_gradient),
            ("a full sequence: finite, right shape", self._sequence),
        ]
        return run_checks(checks)

    def _fresh(self, seed: int = 0) -> Any:
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            return self.make(H)

    def _shapes(self) -> tuple[bool, str]:
        cell = self._fresh()
        x = torch.zeros(B, self.input_size)
        h, c = cell(x, cell.initial_state(B))
        shapes = [tuple(h.shape), *(tuple(leaf.shape) for leaf in leaves(c))]
        wanted = shapes[0] == (B, H) and all(shape[0] == B for shape in shapes)
        return wanted, f"h {shapes[0]}, c {' '.join(map(str, shapes[1:]))}; h should be {(B, H)}"

    def _gates(self) -> tuple[bool, str]:
        """Measure the gates from outside: f = ∂c'/∂c; i⊙g = c' at c = 0; o = h'/tanh(c').

        Compare each with the value that follows from the slices of ``W``, in the order i, f, g, o.
        """
        cell = _packed(self._fresh()).double()
        generator = torch.Generator().manual_seed(0)
        x, h, c = (torch.randn(B, n, generator=generator, dtype=torch.float64) for n in (self.input_size, H, H))
        with torch.no_grad():
            i, f, g, o = cell.W(torch.cat([h, x], dim=-1)).chunk(4, dim=-1)
            _, ig = cell(x, (h, torch.zeros_like(c)))
            h_new, c_new = cell(x, (h, c))
        held = c.clone().requires_grad_()
        measured_f = torch.autograd.grad(cell(x, (h, held))[1].sum(), held)[0]
        measured = {"f": measured_f, "i·g": ig, "o": h_new / torch.tanh(c_new)}
        expected = {"f": f.sigmoid(), "i·g": i.sigmoid() * g.tanh(), "o": o.sigmoid()}
        ranges = [_range(name, measured[name], low) for name, low in (("f", 0.0), ("i·g", -1.0), ("o", 0.0))]
        i_or_g = [self._alone(cell, open_gate=2, low=0.0, name="i"), self._alone(cell, open_gate=0, low=-1.0, name="g")]
        wrong = [name for name in measured if not torch.allclose(measured[name], expected[name], atol=1e-9)]
        inside = all(ok for ok, _ in [*ranges, *i_or_g])
        differing = f"; {', '.join(wrong)} differ from the slices i, f, g, o of W" if wrong else ""
        biased, bias = self._forget_bias(cell)
        figure = ", ".join(text for _, text in [ranges[0], *i_or_g, ranges[2]])
        return inside and not wrong and biased, f"{figure}{differing}{bias}"

    def _forget_bias(self, cell: Any) -> tuple[bool, str]:
        """Measure the forget bias from outside: at x = h = 0 it is logit(∂c'/∂c).

        The output gate must not have it too, as after ``bias.fill_(forget_bias)``.
        """
        if self.forget_bias is None:
            return True, ""
        x, h = (torch.zeros(1, n, dtype=torch.float64) for n in (self.input_size, H))
        c = torch.ones(1, H, dtype=torch.float64, requires_grad=True)
        h_new, c_new = cell(x, (h, c))
        (f,) = torch.autograd.grad(c_new.sum(), c, retain_graph=True)
        bias, of_output = f.logit(), (h_new / torch.tanh(c_new)).logit()
        wanted = torch.full_like(bias, self.forget_bias)
        if not torch.allclose(bias, wanted, atol=1e-6):
            least, most = bias.min().item(), bias.max().item()
            return False, f"; the forget bias is {least:.2f} to {most:.2f}, and should be {self.forget_bias:g}"
        if self.forget_bias and torch.allclose(of_output, wanted, atol=1e-6):
            return False, f"; the output gate has the bias {self.forget_bias:g} too, which is the forget gate's alone"
        return True, f", forget bias {self.forget_bias:g}"

    def _alone(self, cell: Any, open_gate: int, low: float, name: str) -> tuple[bool, str]:
        """Measure i with g saturated at 1, or g with i saturated at 1: c' from c = 0 is then the other factor."""
        kept = cell.W.bias.detach().clone()
        generator = torch.Generator().manual_seed(1)
        x, h = (torch.randn(B, n, generator=generator, dtype=torch.float64) for n in (self.input_size, H))
        with torch.no_grad():
            cell.W.bias[open_gate * H : (open_gate + 1) * H].fill_(50.0)
            _, c_new = cell(x, (h, torch.zeros(B, H, dtype=torch.float64)))
            cell.W.bias.copy_(kept)
        return _range(name, c_new, low)

    def _carried(self) -> tuple[bool, str]:
        cell = _packed(self._fresh()).double()
        with torch.no_grad():
            cell.W.weight.zero_()
            cell.W.bias.zero_()
            cell.W.bias[:H].fill_(-50.0)  # input gate shut
            cell.W.bias[H : 2 * H].fill_(50.0)  # forget gate open
            c = torch.linspace(-2, 2, B * H, dtype=torch.float64).reshape(B, H)
            state: Any = (torch.zeros_like(c), c)
            for _ in range(self.exercise.T):
                state = cell(torch.ones(B, self.input_size, dtype=torch.float64), state)
        change = (state[1] - c).abs().max().item()
        return change < 1e-9, f"largest change over {self.exercise.T} steps {change:.1e} (below 1e-09)"

    def _solves(self) -> tuple[bool, str]:
        self._refuse_baseline()
        ours, rnn = self.exercise.train(self.make), self.exercise.train(self.make_rnn)
        gap = ours.accuracy - rnn.accuracy
        figure = (
            f"accuracy {_outcome(ours)} (above {SOLVES}), RNN {_outcome(rnn)} (below {FAILS}),"
            f" gap {gap:.2f} (above {GAP})"
        )
        return ours.accuracy > SOLVES and rnn.accuracy < FAILS and gap > GAP, figure

    def _early_gradient(self) -> tuple[bool, str]:
        self._refuse_baseline()
        ours, rnn = self.exercise.early_gradient(self.make), self.exercise.early_gradient(self.make_rnn)
        figure = f"{ours:.1e} against {rnn:.1e}: {ours / rnn:.1e} times (at least {RATIO:g})"
        return ours >= RATIO * rnn, figure

    def _sequence(self) -> tuple[bool, str]:
        cell, T = self._fresh(), 200
        x = torch.randn(B, T, self.input_size, generator=torch.Generator().manual_seed(0))
        with torch.no_grad():
            outputs, state = unroll(cell, x)
        finite = all(bool(torch.isfinite(part).all()) for part in (outputs, *leaves(state)))
        shape = tuple(outputs.shape)
        return finite and shape == (B, T, H), f"{shape}, {'all finite' if finite else 'not all finite'}"

    def _refuse_baseline(self) -> None:
        if self.is_baseline:
            raise DoesNotApplyError("this cell is the RNN of the comparison")


def _packed(cell: Any) -> Any:
    """Return the cell if its gates are packed in one ``nn.Linear`` and its memory is one tensor [B, H]."""
    W = getattr(cell, "W", None)
    if not isinstance(W, nn.Linear) or W.out_features != 4 * H or W.bias is None:
        raise DoesNotApplyError("no nn.Linear W with a bias and 4H rows, the gates i, f, g, o")
    _, c = cell.initial_state(B)
    if not isinstance(c, Tensor) or c.shape != (B, H):
        raise DoesNotApplyError("the memory c is not one tensor [B, H]")
    return cell


def _range(name: str, values: Tensor, low: float) -> tuple[bool, str]:
    """Return whether all values lie strictly between ``low`` and 1, and their range as text."""
    least, most = values.min().item(), values.max().item()
    return low < least and most < 1.0, f"{name} in [{least:.2f}, {most:.2f}]"


def _outcome(trial: Trial) -> str:
    return f"{trial.accuracy:.3f} after {trial.steps} steps"
