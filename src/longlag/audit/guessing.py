"""Random weight guessing: recurrent nets without training."""

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from longlag.task import Batch, Task

RANGE = 100.0  # weights are uniform in [−100, 100]
UNITS = 5  # the most in a net
_FLOATS = 2**23  # in the outputs of all nets that run at once


class GuessedNets(nn.Module):
    """G fully recurrent nets of logistic units with random weights, which run side by side.

    h' = σ(W [h, x, 1]), outputs = V [h', 1]; all weights uniform in [−100, 100] (Schmidhuber, Hochreiter & Bengio 2001,
    architecture A1).

    Args:
        G: the number of nets.
        input_size: I.
        output_size: O.
        units: H of each net.
        generator: the source of the weights.

    """

    def __init__(self, G: int, input_size: int, output_size: int, units: int, generator: torch.Generator) -> None:
        super().__init__()

        def guess(*shape: int) -> Tensor:
            return RANGE * (2 * torch.rand(G, *shape, generator=generator) - 1)

        self.recurrent, self.inwards, self.bias = guess(units, units), guess(input_size, units), guess(1, units)
        self.outwards, self.threshold = guess(units, output_size), guess(1, output_size)

    def forward(self, x: Tensor, lengths: Tensor, every: bool) -> Tensor:
        """Return the net inputs of the output units: [G, B, O], or [G, B, L, O] with outputs at every step."""
        h = torch.zeros(len(self.bias), len(x), self.bias.shape[2])
        states = []
        for x_t in x.unbind(1):
            h = torch.sigmoid(h @ self.recurrent + x_t @ self.inwards + self.bias)  # [G, B, H]
            states.append(h)
        hidden = torch.stack(states, dim=2)  # [G, B, L, H]
        if every:
            return hidden @ self.outwards[:, None] + self.threshold[:, None]
        return hidden[:, torch.arange(len(x)), lengths - 1] @ self.outwards + self.threshold

    def one(self, g: int) -> "GuessedNets":
        """Return net ``g`` as a model of one net."""
        alone = GuessedNets.__new__(GuessedNets)
        nn.Module.__init__(alone)
        for name in ("recurrent", "inwards", "bias", "outwards", "threshold"):
            setattr(alone, name, getattr(self, name)[g : g + 1])
        return alone


@dataclass(frozen=True)
class Guessed:
    """The result of guessing.

    Args:
        tried: the number of nets up to the one that passes, or all of them.
        accuracy: the accuracy of the net that passes, or else of the best one.
        passed: whether a net passes.

    """

    tried: int
    accuracy: float
    passed: bool


def guess(
    task: Task, screen: Batch, examine: Callable[[GuessedNets], tuple[float, bool]], guesses: int, seed: int = 0
) -> Guessed:
    """Guess the weights of recurrent nets of 1 to 5 units until one of them passes.

    Args:
        task: the task.
        screen: a few sequences that judge every net; a net that beats the best so far is examined.
        examine: returns the accuracy of a net on many sequences, and whether it passes.
        guesses: the most nets to guess.
        seed: decides the weights.

    """
    generator = torch.Generator().manual_seed(seed)
    every = task.readout == "every"
    steps = screen.inputs.shape[1] if every else 1
    together = max(1, min(200, _FLOATS // (len(screen.inputs) * steps * max(task.output_size, UNITS))))
    best_screened = best = -1.0
    for start in range(0, guesses, together):
        units = 1 + (start // together) % UNITS
        nets = GuessedNets(min(together, guesses - start), task.input_size, task.output_size, units, generator)
        for g, outputs in enumerate(nets(screen.inputs, screen.lengths, every)):
            screened = task.judge(outputs, screen)["acc"].mean().item()
            if screened > best_screened or screened == 1.0:
                best_screened = screened
                accuracy, passed = examine(nets.one(g))
                best = max(best, accuracy)
                if passed:
                    return Guessed(start + g + 1, accuracy, passed=True)
    return Guessed(guesses, best, passed=False)
