"""What a check finds, and making checks one after the other."""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import Any, Literal

from torch import Tensor

Verdict = Literal["pass", "fail", "does not apply"]

#: A name, and a function that says whether the check is passed, and the figure that decided.
Check = tuple[str, Callable[[], tuple[bool, str]]]


@dataclass(frozen=True)
class Result:
    """What a check found.

    Args:
        name: what is checked.
        verdict: pass, fail, or does not apply.
        figure: the figure that decided, or the reason why the check does not apply.

    """

    name: str
    verdict: Verdict
    figure: str


class DoesNotApplyError(Exception):
    """A check makes no sense for this cell; the message says why."""


def made(checks: Iterable[Check]) -> Iterator[Result]:
    """Make the checks one after the other and yield what each found; one that raises has failed."""
    for name, check in checks:
        try:
            passed, figure = check()
            verdict: Verdict = "pass" if passed else "fail"
        except DoesNotApplyError as reason:
            verdict, figure = "does not apply", str(reason)
        except Exception as error:
            verdict, figure = "fail", f"{type(error).__name__}: {' '.join(str(error).split())[:200]}"
        yield Result(name, verdict, figure)


def leaves(state: Any) -> list[Tensor]:
    """Return the tensors in a state or a memory, however it is nested."""
    return [state] if isinstance(state, Tensor) else [leaf for part in state for leaf in leaves(part)]


def replaced(state: Any, by: dict[int, Tensor]) -> Any:
    """Return a state with some of its tensors, named by their ids, replaced."""
    if isinstance(state, Tensor):
        return by.get(id(state), state)
    return tuple(replaced(part, by) for part in state)
