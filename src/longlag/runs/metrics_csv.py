"""``metrics.csv``: the curves of a run, one row for each recorded optimizer step."""

import csv
import io
from collections.abc import Mapping
from pathlib import Path

from longlag.runs.files import MOST_TABLE, open_file, read_text, write_whole

_MOST_STEPS = 2**53  # a float, and the JavaScript of the page, hold each integer up to here


class MetricsTable:
    """The rows of ``metrics.csv``, in memory and on disk.

    The first column is ``step``; the metrics follow in the order of their first values. A metric that was not measured
    at a step has an empty entry.

    Args:
        path: the file.
        until: keep the rows of the file up to this step, as a resumed run must; ``None`` starts an empty table. Test
            metrics are dropped: they belong to the last step of a run that had ended.

    """

    def __init__(self, path: Path, until: int | None = None) -> None:
        self.path = path
        self.rows: dict[int, dict[str, float]] = {}
        self._changed = True
        if until is not None and path.exists():
            self.rows = {
                step: {name: value for name, value in row.items() if not name.startswith("test/")}
                for step, row in read_metrics(path).items()
                if step <= until
            }

    def add(self, step: int, values: Mapping[str, float]) -> None:
        """Add values to the row of a step."""
        self.rows.setdefault(step, {}).update(values)
        self._changed = True

    def write(self, durable: bool = True) -> None:
        """Write the whole file if a row has changed; see :func:`longlag.runs.files.write_whole`."""
        if not self._changed and not durable:
            return
        self._changed = False
        columns = list(dict.fromkeys(name for row in self.rows.values() for name in row))
        text = io.StringIO()
        writer = csv.DictWriter(text, ["step", *columns], restval="", lineterminator="\n")
        writer.writeheader()
        for step in sorted(self.rows):
            writer.writerow({"step": step, **self.rows[step]})
        write_whole(self.path, text.getvalue(), durable)


def read_metrics(path: Path) -> dict[int, dict[str, float]]:
    """Read ``metrics.csv``: step -> metric -> value, without empty entries.

    Raises:
        OSError: the file cannot be read.
        ValueError: the file is no such table, or its end is missing.

    """
    try:
        header, *rows = read_rows(path)
        if header[0] != "step":
            raise ValueError("its first column is not step")
        return {
            check_count(int(step)): {name: _number(x) for name, x in zip(header[1:], values, strict=True) if x}
            for step, *values in rows
        }
    except ValueError as error:
        raise ValueError(f"{path} is not a table of metrics: {error}") from error


def _number(text: str) -> float:
    """Return an integer as an integer, so that it is written again as it was."""
    return int(text) if text.removeprefix("-").isdecimal() else float(text)


def read_columns(path: Path) -> list[str]:
    """Read the names of the metrics in ``metrics.csv``; empty if there is no such file."""
    try:
        with open_file(path) as file:
            header = next(csv.reader(file), [])
    except (OSError, ValueError, csv.Error):
        return []
    return header[1:] if header[:1] == ["step"] else []


def check_count(count: int) -> int:
    """Return a number of steps, layers or lags that a table holds.

    Raises:
        ValueError: it is no such number.

    """
    if not 0 <= count < _MOST_STEPS:
        raise ValueError(f"{str(count)[:30]} is no count")
    return count


def read_rows(path: Path) -> list[list[str]]:
    """Read the rows of a CSV file, the headings first; an incomplete file is refused.

    Raises:
        OSError: the file cannot be read.
        ValueError: the file is no such table, or its end is missing.

    """
    text = read_text(path, MOST_TABLE)
    if not text.endswith("\n"):  # the last number may lack digits
        raise ValueError("it is empty" if not text else "its end is missing")
    try:
        rows = list(csv.reader(io.StringIO(text), strict=True))
    except csv.Error as error:
        raise ValueError(str(error)) from error
    if short := [number for number, row in enumerate(rows, start=1) if len(row) != len(rows[0])]:
        raise ValueError(f"line {short[0]} has {len(rows[short[0] - 1])} columns, the headings are {len(rows[0])}")
    return rows
