"""The words of ``longlag horizon``: its own keys, and those that its runs take."""

import shlex
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

from longlag.errors import RequestError
from longlag.horizon.rule import Rule
from longlag.settings.compose import value_of
from longlag.settings.words import check_once

HELP = """longlag horizon: the longest lag that most seeds solve within a budget of training sequences

usage: longlag horizon [--dry-run] [--config-dir DIR] [GROUP=OPTION ...] [KEY=VALUE ...]

  Groups and keys are those of longlag train. A comma makes several searches: cell=lstm,gru task=adding,delayed_xor.
  These keys are the command's own:

  budget=153600       the training sequences of each run; steps follow from the batch size
  rate=0.9            the share of the seeds that must solve a lag within the horizon
  seeds=10            the seeds at each lag; fewer run where the verdict is clear before
  first_seed=0        the first of them
  start=10            the first lag; doubled until the task takes it
  most=10000          the longest lag
  per_doubling=4      grid steps from a lag to its double
  tune=none           none: as configured; grid: the best of a few learning rates and forget biases, see below

  --dry-run           say what is known already and what would run next
  --config-dir DIR    a folder with more YAML files

  The lag is doubled until too many seeds fail, then bisected on the grid. The runs are ordinary runs of the study, and
  train side by side where they can. The same command typed again goes on; runs that have ended are not repeated.
  tune=grid: where a lag fails, three other seeds try the learning rate as configured, a third and three times of it,
  each with the forget bias as configured, 1 and 3, within the same budget; the best of them is tested at that lag.

  The study's folder gets horizon.json and horizon.png. docs/horizon.md has the definition and the error rates.

examples:
  longlag horizon cell=lstm task=delayed_xor
  longlag horizon cell=lstm,gru,rnn task=delayed_xor,adding budget=100000 study=memory hydra/launcher=local
  longlag horizon cell=lstm cell.forget_bias=0,1,3,5 task=adding tune=none seeds=20
"""

#: Keys of ``longlag train`` that the search sets itself, each with the key to use instead.
_OURS = {
    "task.T": "start, most and per_doubling", "seed": "seeds and first_seed", "trainer.max_steps": "budget",
    "stop_when_solved": "nothing: a run stops when it is solved", "resume": "the same command, which goes on",
    "fresh": "another study, or another first_seed",
}  # fmt: skip


@dataclass(frozen=True)
class HorizonRequest:
    """What a person asks for.

    Args:
        words: those of ``longlag train``, as typed.
        budget: training sequences of each run.
        rate: the wanted solve rate.
        seeds: the seeds at each lag.
        first_seed: the first of them.
        start: the first lag; ``None`` for 10, doubled until the task takes it.
        most: the longest lag.
        per_doubling: grid steps to a doubling.
        tune: ``none`` or ``grid``.
        dry: whether nothing is to run.
        config_dir: a folder with more YAML files.
        command: as typed.

    """

    words: tuple[str, ...] = ()
    budget: int = 153_600
    rate: float = 0.9
    seeds: int = 10
    first_seed: int = 0
    start: int | None = None
    most: int = 10_000
    per_doubling: int = 4
    tune: str = "none"
    dry: bool = False
    config_dir: str | None = None
    command: str = ""

    @property
    def rule(self) -> Rule:
        """The test of one lag."""
        return Rule(self.seeds, self.rate)

    @property
    def flags(self) -> tuple[str, ...]:
        """The flags of ``longlag train`` for its runs."""
        return ("-m",) if self.config_dir is None else ("-m", "--config-dir", self.config_dir)


def read_request(arguments: Sequence[str]) -> HorizonRequest:
    """Read the words of a command.

    Raises:
        RequestError: a word is wrong.

    """
    rest, words, values = list(arguments), list[str](), dict[str, Any]()
    dry, config_dir = False, None
    while rest:
        word = rest.pop(0)
        key, equals, value = word.partition("=")
        if word == "--dry-run":
            dry = True
        elif key in ("--config-dir", "-cd"):
            if not equals and not rest:
                raise RequestError(f"{key} wants a value")
            config_dir = value if equals else rest.pop(0)
        elif word.startswith("-") or not equals:
            raise RequestError(
                f"longlag horizon takes KEY=VALUE, got {word!r}; longlag horizon --help shows what there is"
            )
        elif key in _KINDS:
            if key in values:
                raise RequestError(f"{key} is typed twice")
            values[key] = _own(key, value_of(word))
        else:
            words.append(word)
    check_once(words)
    for word in words:
        key = word.lstrip("+~").partition("=")[0]
        if key in _OURS:
            raise RequestError(f"longlag horizon sets {key} itself; use {_OURS[key]}")
    if not any(word.lstrip("+").startswith("study=") for word in words):
        words.append("study=horizon")
    request = HorizonRequest(tuple(words), dry=dry, config_dir=config_dir)
    return replace(request, **values, command=shlex.join(["longlag", "horizon", *arguments]))


def _own(key: str, value: Any) -> Any:
    """Return the value of one of the command's own keys, checked.

    Raises:
        RequestError: it is wrong.

    """
    kind, least, most = _KINDS[key]
    if kind is str:
        if value not in ("none", "grid", None):
            raise RequestError(f"{key} must be none or grid, got {value!r}")
        return value or "none"  # Hydra reads null
    numbers = (int,) if kind is int else (int, float)
    if isinstance(value, bool) or not isinstance(value, numbers) or not least <= value <= most:
        raise RequestError(
            f"{key} must be {'an integer' if kind is int else 'a number'} from {least:,} to {most:,}, got {value!r}"
        )
    return value


#: The command's own keys: type, smallest and largest value.
_KINDS: dict[str, tuple[type, float, float]] = {
    "budget": (int, 1, 10**12), "rate": (float, 0.01, 1), "seeds": (int, 1, 1000), "first_seed": (int, 0, 10**9),
    "start": (int, 1, 10**6), "most": (int, 1, 10**6), "per_doubling": (int, 1, 64), "tune": (str, 0, 0),
}  # fmt: skip
