"""The result of a check, and running checks one after the other."""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import Literal

from longlag.errors import described

Verdict = Literal["pass", "fail", "does not apply"]

#: A name, and a function that returns whether the cell passes, and the figure that decides.
Check = tuple[str, Callable[[], tuple[bool, str]]]


@dataclass(frozen=True)
class Result:
    """The result of a check.

    Args:
        name: the property that the check tests.
        verdict: pass, fail, or does not apply.
        figure: the figure that decides, or the reason why the check does not apply.

    """

    name: str
    verdict: Verdict
    figure: str


class DoesNotApplyError(Exception):
    """A check does not apply to this cell; the message is the reason."""


def run_checks(checks: Iterable[Check]) -> Iterator[Result]:
    """Run the checks one after the other and yield their results; a check that raises an exception fails."""
    for name, check in checks:
        try:
            passed, figure = check()
            verdict: Verdict = "pass" if passed else "fail"
        except DoesNotApplyError as reason:
            verdict, figure = "does not apply", str(reason)
        except Exception as error:
            verdict, figure = "fail", described(error)
        yield Result(name, verdict, figure)
