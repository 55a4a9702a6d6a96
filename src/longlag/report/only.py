"""The choice of runs by their settings and outcomes, as ``--only`` takes it."""

from collections.abc import Sequence
from typing import Any

from longlag.errors import RequestError
from longlag.report.records import flat_row
from longlag.runs import RunRecord


def only(records: Sequence[RunRecord], words: Sequence[str]) -> list[RunRecord]:
    """Return the runs that every word admits.

    Args:
        records: the runs.
        words: ``KEY=VALUE`` or ``KEY=VALUE,VALUE``: a setting such as ``optimizer.lr``, or what the table of runs
            has: ``cell``, ``task``, ``T``, ``forget_bias``, ``seed``, ``state``.

    Raises:
        RequestError: a word is none, no run has the key, or no run is left.

    """
    rows = [(record, flat_row(record)) for record in records]
    for word in words:
        key, _, values = word.partition("=")
        if not key or not values:
            raise RequestError(f"--only: {word!r} is not KEY=VALUE or KEY=VALUE,VALUE, such as cell=lstm,rnn")
        if not any(_name(row, key) for _, row in rows):
            raise RequestError(f"--only: no run has {key!r}; cell, task, T, state and the settings can be named")
        there = sorted({_text(row[name]) for _, row in rows if (name := _name(row, key))})
        wanted = values.split(",")
        rows = [(record, row) for record, row in rows if (name := _name(row, key)) and _any(wanted, row[name])]
        if not rows:
            raise RequestError(f"--only: no run with {word}; there is {key}={','.join(there)}")
    return [record for record, _ in rows]


def _name(row: dict[str, Any], key: str) -> str | None:
    """Return the name of a key in a row; ``None`` if the row has none."""
    return next((name for name in (key, f"config.{key}") if name in row), None)


def _any(wanted: Sequence[str], value: Any) -> bool:
    return any(_text(value) == text or _equals(text, value) for text in wanted)


def _equals(text: str, value: Any) -> bool:
    """Return whether a text is this number, such as ``1e-3`` and 0.001."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        return False
    try:
        return float(text) == value
    except ValueError:
        return False


def _text(value: Any) -> str:
    """Return a value as a person types it."""
    if value is None or isinstance(value, bool):
        return "null" if value is None else str(value).lower()
    return str(value)
