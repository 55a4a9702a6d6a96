"""The embedded Reber grammar."""

from collections.abc import Mapping
from functools import cached_property
from typing import ClassVar

import torch
from torch import Tensor
from torch.nn.functional import pad

from longlag.task import (
    Batch,
    LogisticTask,
    Metric,
    Split,
    Splits,
    check_choice,
    check_integer,
    one_hot,
    valid_steps,
)

ALPHABET = ("B", "T", "P", "S", "X", "V", "E")
#: The inner grammar, state -> (symbol, next state) on each of its edges, which have the same probability.
REBER = {
    0: (("B", 1),),
    1: (("T", 2), ("P", 3)),
    2: (("S", 2), ("X", 4)),
    3: (("T", 3), ("V", 5)),
    4: (("X", 3), ("S", 6)),
    5: (("P", 4), ("V", 6)),
    6: (("E", 7),),
}
SHORTEST = 9
#: Whether a string may come several times in a set: ``drawn`` strings may, ``distinct`` ones do not.
STRINGS = ("drawn", "distinct")


class EmbeddedReber(LogisticTask):
    """Predict the next symbol of a string of the embedded Reber grammar.

    A string is B, then T or P with probability ½ each, then a string of the Reber grammar, then the same T or P again,
    then E. The Reber grammar starts with B, ends with E, and takes each edge of a fork with probability ½. At every
    step the target is the next symbol; at a fork two symbols are legal. One string and its legal symbols::

        input     B   T  B   T   X   S   E  T
        legal     TP  B  TP  SX  XS  E   T  E

    The long lag is that of the last but one symbol, which repeats the second one.

    T is the length of the shortest string. T=9 is the grammar as published, in which no string is shorter; with a
    larger T, the same grammar is conditioned on strings of at least T symbols.

    The training set has 256 strings; no string of the other splits is in it. A string may come several times: the four
    shortest strings are a quarter of all. A string is right if, at every step, every legal
    symbol is more active than every other one. Solved: all strings of the training set and of the validation split
    right. The paper stops by its test set, also 256 strings: this is the validation split here, and the
    test split is a third set. No constant output is right for any string.

    Source: Hochreiter & Schmidhuber 1997, Experiment 1, section 5.1; the grammar: Reber 1967; embedded: Smith & Zipser
    1989, Cleeremans, Servan-Schreiber & McClelland 1989. Published (LSTM): 264 weights, learning rate 0.1, always
    solved, 39,740 strings; 276 weights, learning rate 0.5, always solved, 8,440 strings (30 trials each).

    Args:
        T: the length of the shortest string, at least 9.
        strings: of the fixed training set: ``drawn``, of which some are equal, or ``distinct``.
        splits: the sizes of the splits, and the seed of their strings.

    Raises:
        ValueError: T is not an integer of at least 9, or there is no such way to choose the strings.

    """

    metrics = (Metric("symbol_acc", "accuracy of single symbols", scale="share", better="higher", shown="page"),)
    draws_symbols: ClassVar[bool] = True
    input_size = 7
    output_size = 7
    readout = "every"
    chance_accuracy = 0.0
    alphabet = ALPHABET
    answers = ALPHABET
    judges_training_set: ClassVar[bool] = True
    default_splits = Splits(test_size=256)

    def __init__(self, T: int = SHORTEST, strings: str = "drawn", splits: Splits | None = None) -> None:
        check_integer("T", T, SHORTEST, "the shortest string of the grammar")
        check_choice("strings", strings, STRINGS)
        super().__init__(T, splits)
        self.strings = strings
        self.grammar = EmbeddedGrammar(T)

    @cached_property
    def chance_loss(self) -> float:  # type: ignore[override]
        """The loss of the constant output that gives each symbol its share of all targets.

        This is the mean over all strings of the grammar; validation strings, which avoid the training set, are longer.
        """
        grammar = self.grammar
        seen = torch.zeros(7, dtype=torch.float64)
        seen.scatter_add_(0, grammar.symbol.flatten(), grammar.usage().flatten())
        seen[ALPHABET.index("B")] -= 1  # the first symbol is not predicted
        return float(seen.sum() - seen.square().sum() / seen.sum()) / 2

    def sample(self, n: int, generator: torch.Generator) -> Batch:
        """Draw ``n`` strings; targets are [n, L, 2]: the next symbol, and the state that defines the legal symbols."""
        return self.with_vectors(self.sample_symbols(n, generator))

    def sample_symbols(self, n: int, generator: torch.Generator) -> Batch:
        """Draw ``n`` strings as numbers of symbols."""
        symbols, states, lengths = self.grammar.walk(n, generator)
        targets = torch.stack([symbols[:, 1:], states[:, 1:]], dim=2)
        return Batch(symbols[:, :-1], targets, lengths - 1, valid_steps(lengths - 1, symbols.shape[1] - 1))

    def draw(self, split: Split, k: int, n: int) -> Batch:
        """Draw batch ``k`` of a split; validation, test and probe draw no string of a fixed training set."""
        fixed = self.splits.train_size is not None
        if not fixed or (split == "train" and self.strings == "drawn"):
            return super().draw(split, k, n)
        more = 8
        while True:
            drawn = super().draw(split, k, more * n)
            wanted = _first_of_its_kind(drawn) if split == "train" else ~_among(drawn, self.training_set())
            new = wanted.nonzero().squeeze(1)
            if len(new) >= n:
                return drawn.select(new[:n])
            more *= 2

    def loss_targets(self, batch: Batch) -> Tensor:
        """Return the next symbol as a vector, [B, L, 7]."""
        return one_hot(batch.targets[..., 0], self.output_size)

    def judge(self, outputs: Tensor, batch: Batch) -> dict[str, Tensor]:
        """Return ``acc``, 1 for a right string, and ``symbol_acc``, the share of its steps that are right."""
        legal = self.wanted(batch).bool()  # [B, L, 7]
        lowest_legal = outputs.where(legal, torch.inf).amin(-1)
        highest_other = outputs.where(~legal, -torch.inf).amax(-1)
        right = lowest_legal > highest_other  # [B, L]
        return {
            "acc": (right | ~batch.mask).all(1).float(),
            "symbol_acc": (right & batch.mask).sum(1) / batch.mask.sum(1),
        }

    def wanted(self, batch: Batch) -> Tensor:
        """Return 1 for every legal symbol, [B, L, 7]."""
        return self.grammar.legal.to(batch.targets.device)[batch.targets[..., 1]].float()

    def solved(self, values: Mapping[str, float]) -> bool:
        """Return whether all strings of the validation split, and of the fixed training set, are right."""
        return values["val/acc"] == 1.0 and values.get("train/acc", 1.0) == 1.0

    def cues(self, batch: Batch) -> Tensor:
        """Return the second step."""
        return (torch.arange(batch.mask.shape[1]) == 1).expand_as(batch.mask)


class EmbeddedGrammar:
    """The embedded Reber grammar as an automaton, and walks through it that take at least ``shortest`` steps.

    Args:
        shortest: the length of the shortest string.

    """

    def __init__(self, shortest: int = SHORTEST) -> None:
        self.shortest = shortest
        edges = _embedded()
        self.end = len(edges)
        self.symbol = torch.tensor([[ALPHABET.index(s) for s, _ in _twice(e)] for e in edges] + [[0, 0]])  # [S, 2]
        self.following = torch.tensor([[state for _, state in _twice(e)] for e in edges] + [[self.end] * 2])
        self.legal = torch.zeros(self.end + 1, len(ALPHABET), dtype=torch.bool)
        """The symbols that may come next in each state, [S, 7]."""
        self.legal[: self.end].scatter_(1, self.symbol[: self.end], True)
        self.first = self._odds()

    def walk(self, n: int, generator: torch.Generator) -> tuple[Tensor, Tensor, Tensor]:
        """Draw ``n`` strings.

        Returns:
            The symbols [n, L], the state before each of them [n, L], and the lengths [n].

        """
        state = torch.zeros(n, dtype=torch.long)
        symbols: list[Tensor] = []
        states: list[Tensor] = []
        while bool((state != self.end).any()):
            missing = max(self.shortest - len(symbols), 0)
            edge = (torch.rand(n, generator=generator) >= self.first[missing, state]).long()
            symbols.append(self.symbol[state, edge])
            states.append(state)
            state = self.following[state, edge]
        before = torch.stack(states, dim=1)
        return torch.stack(symbols, dim=1), before, (before != self.end).sum(1)

    def usage(self) -> Tensor:
        """Return how often a string takes each edge on average, [S, 2], float64."""
        used = torch.zeros(self.end + 1, 2, dtype=torch.float64)
        at = torch.zeros(self.end + 1, dtype=torch.float64)
        at[0] = 1
        step = 0
        while at.sum() > 1e-12:
            first = self.first[max(self.shortest - step, 0)]
            expected = torch.stack([at * first, at * (1 - first)], dim=1)
            used += expected
            at = torch.zeros_like(at).scatter_add_(0, self.following.flatten(), expected.flatten())
            at[self.end] = 0
            step += 1
        return used

    def _odds(self) -> Tensor:
        """Return the probability of the first edge, [symbols still missing, S].

        The chance that a walk from a state takes at least m more steps follows from the chances for m − 1. Only its
        ratio for the two ends of a fork matters, so each row is scaled to a maximum of 1.
        """
        enough = torch.ones(self.end + 1, dtype=torch.float64)
        rows = [torch.full_like(enough, 0.5)]
        for _ in range(self.shortest):
            after = enough[self.following]  # [S, 2]
            rows.append(after[:, 0] / after.sum(1).clamp_min(1e-300))
            enough = after.mean(1)
            enough[self.end] = 0
            enough = enough / enough.max()
        return torch.stack(rows)


def _embedded() -> list[tuple[tuple[str, int], ...]]:
    """Return the edges of the embedded grammar, by state: the inner grammar twice, once for each repeated symbol."""
    inner = len(REBER) + 1  # its states, and the state before the repeated symbol
    closing = 2 + 2 * inner
    edges: list[tuple[tuple[str, int], ...]] = [(("B", 1),), (("T", 2), ("P", 2 + inner))]
    for start, repeated in ((2, "T"), (2 + inner, "P")):
        edges += [tuple((symbol, start + to) for symbol, to in REBER[state]) for state in REBER]
        edges.append(((repeated, closing),))
    edges.append((("E", closing + 1),))
    return edges


def _twice(edges: tuple[tuple[str, int], ...]) -> tuple[tuple[str, int], tuple[str, int]]:
    """Return the two edges of a fork; a single edge twice."""
    return edges[0], edges[-1]


def _codes(batch: Batch) -> Tensor:
    """Return each string as numbers of symbols from 1 on, 0 after its end, [n, L]."""
    return (batch.inputs.argmax(-1) + 1) * batch.mask


def _first_of_its_kind(batch: Batch) -> Tensor:
    """Return whether no string before is equal, [n], bool."""
    _, which = torch.unique(_codes(batch), dim=0, return_inverse=True)
    first = torch.full((int(which.max()) + 1,), len(which)).scatter_reduce_(0, which, torch.arange(len(which)), "amin")
    return first[which] == torch.arange(len(which))


def _among(batch: Batch, known: Batch) -> Tensor:
    """Return whether each string of a batch is among the known ones, [n], bool."""
    codes = [_codes(each) for each in (known, batch)]
    L = max(code.shape[1] for code in codes)
    together = torch.cat([pad(code, (0, L - code.shape[1])) for code in codes])
    _, which = torch.unique(together, dim=0, return_inverse=True)
    return torch.isin(which[len(codes[0]) :], which[: len(codes[0])])
