"""Modular arithmetic: evaluate an expression, over any length."""

import torch
from torch import Tensor

from longlag.task import (
    Batch,
    ClassificationTask,
    Metric,
    Split,
    Splits,
    check_channels,
    check_integer,
    integers,
    one_hot,
)

SHORTEST = 3
OPERATORS = ("+", "−", "×")


class ModularArithmetic(ClassificationTask):
    """Evaluate an expression of numbers, +, − and × modulo five; × binds first.

    Numbers and operators take turns, each uniform and one-hot; the value is read after the last number::

        2  ×  3  −  4  +  1      target: (6 − 4 + 1) mod 5 = 3

    T is the length of the longest training sequence; training lengths are uniform among the odd numbers in [3, T],
    those of validation and test among the odd ones in [T, longest]. Every symbol counts, so the readout comes up to
    ``longest`` − 1 steps after the first relevant symbol.

    ``scaled_acc`` is (accuracy − chance)/(1 − chance) with chance 1/modulus, which the papers print. Solved:
    validation accuracy of at least 0.99. The best constant output is 0: products make it a little likelier than the
    other numbers.

    Source: Delétang et al. 2023, "modular arithmetic (simple)"; the lengths 3 to 40 and 40 to 256 and the results: Beck
    et al. 2024, Grazzi et al. 2024 (Table 3, without brackets): sLSTM 0.79 to 1.0, mLSTM 0.04, Transformer 0.03.

    Args:
        T: the longest training sequence, at least 3.
        longest: the longest validation or test sequence, above T; 256 by default, or 2T if that is more.
        modulus: the modulus, at least 2.
        splits: the sizes of the splits, and the seed of their sequences.

    Raises:
        ValueError: a setting is not an integer within its bounds.

    """

    default_splits = Splits(train_size=None)
    metrics = (Metric("scaled_acc", "accuracy from 0 at chance to 1", better="higher", shown="page"),)

    def __init__(self, T: int = 40, longest: int | None = None, modulus: int = 5, splits: Splits | None = None) -> None:
        check_integer("T", T, SHORTEST, "two numbers and an operator")
        longest = max(256, 2 * T) if longest is None else longest
        check_integer("longest", longest, T + 1, "above T, where training ends")
        check_integer("modulus", modulus, 2)
        check_channels("modulus", modulus)
        super().__init__(T, splits)
        self.longest = longest
        self.modulus = self.output_size = modulus
        self.answers = tuple(str(k) for k in range(modulus))
        self.alphabet = (*self.answers, *OPERATORS)
        self.input_size = len(self.alphabet)
        results = self._distribution()
        self.chance_accuracy = results.max().item()
        self.chance_loss = -(results * results.log()).sum().item()

    def sample(self, n: int, generator: torch.Generator) -> Batch:
        """Draw ``n`` training sequences."""
        return self._between(SHORTEST, self.T, n, generator)

    def sample_evaluation(self, n: int, generator: torch.Generator) -> Batch:
        """Draw ``n`` sequences for validation or test; they are longer."""
        return self._between(self.T, self.longest, n, generator)

    def steps(self, split: Split) -> int:
        """Return the steps of a sequence in the mean: the longest one has more."""
        return (self.T + self.longest if split in ("val", "test") else SHORTEST + self.T) // 2

    def judge(self, outputs: Tensor, batch: Batch) -> dict[str, Tensor]:
        """Return ``acc`` and ``scaled_acc``."""
        acc = super().judge(outputs, batch)["acc"]
        chance = 1 / self.modulus
        return {"acc": acc, "scaled_acc": (acc - chance) / (1 - chance)}

    def cues(self, batch: Batch) -> Tensor:
        """Return every step: all symbols count."""
        return torch.arange(batch.mask.shape[1]) < batch.lengths[:, None]

    def _between(self, low: int, high: int, n: int, generator: torch.Generator) -> Batch:
        counts = integers(low // 2 + 1, (high + 1) // 2, n, generator)  # of the numbers: 2 · count − 1 in [low, high]
        m = int(counts.max())
        numbers = torch.randint(self.modulus, (n, m), generator=generator)
        operators = torch.randint(3, (n, m), generator=generator)  # the one before each number; the first is not shown
        operators[:, 0] = 0
        symbols = torch.stack([operators + self.modulus, numbers], dim=2).flatten(1)[:, 1:]  # [n, 2m − 1]
        lengths = 2 * counts - 1
        inputs = one_hot(symbols, self.input_size, lengths)
        return Batch.answered_last(inputs, self._value(numbers, operators, counts), lengths)

    def _value(self, numbers: Tensor, operators: Tensor, counts: Tensor) -> Tensor:
        """Return the value of each expression: a finite automaton keeps the sum so far and the last product."""
        total, last = torch.zeros_like(counts), torch.zeros_like(counts)
        for j in range(numbers.shape[1]):
            number, operator, live = numbers[:, j], operators[:, j], j < counts
            times = operator == 2
            signed = torch.where(operator == 1, -number, number)
            total = torch.where(live & ~times, total + last, total)
            last = torch.where(live, torch.where(times, last * number % self.modulus, signed), last)
        return (total + last) % self.modulus

    def _distribution(self) -> Tensor:
        """Return how often each value comes in the validation split, [modulus], float64."""
        M = self.modulus
        state = torch.full((1, M), 1 / M, dtype=torch.float64)
        state = torch.cat([state, torch.zeros(M - 1, M, dtype=torch.float64)])  # [sum so far, last product]
        results = torch.zeros(M, dtype=torch.float64)
        product = torch.zeros(M, M, dtype=torch.float64)  # of a number with a uniform one
        for a in range(M):
            for b in range(M):
                product[a, a * b % M] += 1 / M
        low, high = self.T // 2 + 1, (self.longest + 1) // 2
        for count in range(1, high + 1):
            by_sum = torch.stack([_summed(state, value) for value in range(M)])
            if count >= low:
                results += by_sum
            state = (2 / 3 / M) * by_sum[:, None].expand(M, M) + (1 / 3) * state @ product
        return results / results.sum()


def _summed(state: Tensor, value: int) -> Tensor:
    """Return the probability that the sum so far and the last product, [M, M], make ``value`` modulo M."""
    M = len(state)
    rows = torch.arange(M)
    return state[rows, (value - rows) % M].sum()
