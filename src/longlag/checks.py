"""Checks of the settings of cells, models and tasks; the message of an error names the setting and its bounds.

The numbers of NumPy are numbers too.
"""

import math
from collections.abc import Collection
from numbers import Integral, Real
from typing import Any

_MOST_CHANNELS = 2**20


def check_integer(name: str, value: Any, at_least: int, why: str = "", at_most: int | None = None) -> None:
    """Check that a setting is an integer within its bounds.

    Args:
        name: the name of the setting.
        value: its value.
        at_least: the lower bound.
        why: the reason for the bound, for the message.
        at_most: the upper bound; ``None`` for no bound.

    Raises:
        ValueError: ``value`` is not.

    """
    fits = not isinstance(value, bool) and isinstance(value, Integral) and int(value) >= at_least
    if not fits or (at_most is not None and int(value) > at_most):
        bound = f"of at least {at_least}" if at_most is None else f"from {at_least} to {at_most}"
        raise ValueError(f"{name} must be an integer {bound}{f' ({why})' if why else ''}, got {value!r}")


def check_positive(name: str, value: Any) -> None:
    """Check that a setting is a positive integer.

    Raises:
        ValueError: ``value`` is not.

    """
    if isinstance(value, bool) or not isinstance(value, Integral) or int(value) < 1:
        raise ValueError(f"{name} must be a positive integer, got {value!r}")


def check_channels(name: str, value: int) -> None:
    """Check that a setting which says the number of symbols is not beyond all bounds: each has an input channel.

    Raises:
        ValueError: ``value`` is.

    """
    if value > _MOST_CHANNELS:
        raise ValueError(f"{name} must be at most {_MOST_CHANNELS} (each symbol has an input channel), got {value!r}")


def check_multiple(name: str, value: int, of: str, divisor: int) -> None:
    """Check that a setting is a multiple of the setting called ``of``.

    Raises:
        ValueError: ``value`` is not.

    """
    if value % divisor:
        raise ValueError(f"{name} must be a multiple of {of}={divisor}, got {value}")


def is_number(value: Any) -> bool:
    """Return whether a value is a finite number; ``True`` and ``False`` are not."""
    return not isinstance(value, bool) and isinstance(value, Real) and math.isfinite(value)


def check_number(
    name: str, value: Any, low: float | None = None, high: float | None = None, above: bool = False
) -> None:
    """Check that a setting is a number within its bounds.

    Args:
        name: the name of the setting.
        value: its value.
        low: the lower bound; ``None`` for no bound.
        high: the upper bound; ``None`` for no bound.
        above: whether the number must exceed the lower bound.

    Raises:
        ValueError: ``value`` is not.

    """
    fits = is_number(value)
    if fits and low is not None:
        fits = low < value if above else low <= value
    if not fits or (high is not None and value > high):
        lower = "" if low is None else f" above {low:g}" if above else f" of at least {low:g}"
        upper = "" if high is None else f"{' and' if lower else ' of'} at most {high:g}"
        raise ValueError(f"{name} must be a number{lower}{upper}, got {value!r}")


def check_choice(name: str, value: Any, known: Collection[str]) -> None:
    """Check that a setting is one of its named values.

    Raises:
        ValueError: ``value`` is none of them.

    """
    if value not in known:
        raise ValueError(f"{name} must be {' or '.join(known)}, got {value!r}")


def check_switch(name: str, value: Any) -> None:
    """Check that a setting is true or false.

    Raises:
        ValueError: ``value`` is not.

    """
    if not isinstance(value, bool):
        raise ValueError(f"{name} must be true or false, got {value!r}")
