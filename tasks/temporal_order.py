"""The temporal order problem: the order of symbols that are rare and far apart."""

from collections.abc import Mapping
from itertools import product
from typing import ClassVar

import torch
from torch import Tensor

from longlag.task import (
    CRITERION_ERRORS,
    RANGE_ENDS,
    SQUARED_ERROR,
    Batch,
    LogisticTask,
    Splits,
    check_choice,
    check_integer,
    highest,
    integers,
    one_hot,
)

ALPHABET = ("E", "B", "a", "b", "c", "d", "X", "Y")
_E, _B, _a, _X = 0, 1, 2, 6
#: For two and for three relevant symbols: the first and the last position of each, in hundredths of T.
WINDOWS = {2: ((10, 20), (50, 60)), 3: ((10, 20), (33, 43), (66, 76))}


class TemporalOrder(LogisticTask):
    """Name the order of two or three widely separated symbols.

    A sequence starts with E, ends with B, and has random symbols a, b, c, d between them, except for two (Experiment
    6a) or three (6b) positions with a random X or Y. The class, one of 4 or 8, is the sequence of these X and Y; the
    target is one-hot. With symbols=2 and T=10, where the positions are 1 to 2 and 5 to 6::

        E  c  X  a  d  d  Y  b  a  B      target: XY, (0, 1, 0, 0)

    T is the length of the shortest sequence; lengths are uniform in [T, T + T/10]. With T=100 the positions, counted
    from 0 at E, are uniform in [10, 20] and [50, 60] for two symbols, and in [10, 20], [33, 43] and [66, 76] for three,
    as published; another T scales them by T/100, rounded down.

    A sequence is right if the errors of all outputs are below 0.3. Solved: the latest 2000 training sequences all
    right, and their mean absolute error below 0.1 (criterion ST3 of the paper). A constant output is right for one
    class.

    Source: Hochreiter & Schmidhuber 1997, Experiment 6, section 5.6. Published: 31,390 sequences with two symbols (LSTM
    with 156 weights, mean of 20 trials), 571,100 with three (308 weights, 10 trials).

    Args:
        T: the length of the shortest sequence, at least 10.
        symbols: the number of relevant symbols, 2 or 3.
        range_end: whether the last length and the last position of a range are ``included`` or ``excluded``.
        criterion_error: the error whose mean must be below 0.1: ``absolute``, or ``squared``.
        splits: the sizes of the splits, and the seed of their sequences.

    Raises:
        ValueError: a setting is out of its bounds.

    """

    metrics = (*LogisticTask.metrics, SQUARED_ERROR)
    draws_symbols: ClassVar[bool] = True
    input_size = 8
    tolerance = 0.3
    recent = 2000
    alphabet = ALPHABET
    default_splits = Splits(train_size=None, test_size=2560)

    def __init__(
        self,
        T: int = 100,
        symbols: int = 2,
        range_end: str = "included",
        criterion_error: str = "absolute",
        splits: Splits | None = None,
    ) -> None:
        check_choice("range_end", range_end, RANGE_ENDS)
        check_choice("criterion_error", criterion_error, CRITERION_ERRORS)
        check_integer("symbols", symbols, 2, at_most=3)
        check_integer("T", T, 10, "windows that do not overlap")
        super().__init__(T, splits)
        self.symbols = symbols
        self.range_end = range_end
        self.criterion_error = criterion_error
        self.answers = tuple("".join(order) for order in product("XY", repeat=symbols))
        self.output_size = len(self.answers)
        self.chance_accuracy = 1 / self.output_size
        self.chance_loss = (1 - 1 / self.output_size) / 2

    def sample(self, n: int, generator: torch.Generator) -> Batch:
        """Draw ``n`` sequences."""
        return self.with_vectors(self.sample_symbols(n, generator))

    def sample_symbols(self, n: int, generator: torch.Generator) -> Batch:
        """Draw ``n`` sequences of symbols."""
        symbols, classes, lengths = draw_orders(n, self.T, self.symbols, generator, self.range_end)
        targets = one_hot(classes[:, None], self.output_size).squeeze(1)
        return Batch.answered_last(symbols, targets, lengths)

    def judge(self, outputs: Tensor, batch: Batch) -> dict[str, Tensor]:
        """Return ``acc``, ``error`` and ``squared_error`` of each sequence."""
        return {**super().judge(outputs, batch), "squared_error": self.squared_error(outputs, batch)}

    def solved(self, values: Mapping[str, float]) -> bool:
        """Return whether the latest training sequences are all right and their mean error is below 0.1."""
        error = f"recent/{CRITERION_ERRORS[self.criterion_error]}"
        return values.get("recent/acc") == 1.0 and values[error] < 0.1

    def cues(self, batch: Batch) -> Tensor:
        """Return the steps of X and Y."""
        return batch.inputs[..., _X:].any(-1)


def draw_orders(
    n: int, T: int, relevant: int, generator: torch.Generator, range_end: str = "included"
) -> tuple[Tensor, Tensor, Tensor]:
    """Draw sequences of symbols [n, L], their classes [n] and their lengths [n].

    Args:
        n: the number of sequences.
        T: the length of the shortest sequence.
        relevant: the number of X and Y in each.
        generator: the source of every random number.
        range_end: whether the last length and the last position of a range are ``included`` or ``excluded``.

    """
    lengths = integers(T, highest(T, T + T // 10, range_end), n, generator)
    rows, L = torch.arange(n), int(lengths.max())
    symbols = torch.randint(_a, _X, (n, L), generator=generator)
    symbols[:, 0] = _E
    symbols[rows, lengths - 1] = _B
    classes = torch.zeros(n, dtype=torch.long)
    for low, high in WINDOWS[relevant]:
        first, last = low * T // 100, high * T // 100
        position = integers(first, highest(first, last, range_end), n, generator)
        is_Y = torch.randint(2, (n,), generator=generator)
        symbols[rows, position] = _X + is_Y
        classes = 2 * classes + is_Y
    return symbols, classes, lengths
