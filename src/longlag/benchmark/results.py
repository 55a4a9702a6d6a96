"""The figures: a row for each size and contender."""

import csv
import io
import math
import statistics
from collections.abc import Sequence
from dataclasses import asdict, dataclass, fields
from typing import Any

from longlag.benchmark.measure import Entry, Measured
from longlag.benchmark.roofline import operations


@dataclass(frozen=True)
class Row:
    """A contender at one size. Times are microseconds per time step and run; ``None`` if not measured.

    Args:
        cell: the name of the cell.
        H: hidden units.
        B: sequences.
        T: steps.
        R: runs.
        I: input channels.
        contender: the name of the contender.
        state: ``right``, ``wrong`` or ``failed``.
        why: why it is wrong or has failed.
        error: the relative error of its gradient against the eager loop in float64.
        first_s: seconds until the first gradient was there, with all that is built or compiled.
        both_us: forward and backward, the median of the rounds.
        both_least_us: the least of the rounds.
        both_most_us: the most of the rounds.
        floor_us: the time of the floating-point operations at the machine's rate; ``None`` for a cell without a floor.
        share: the floor as a share of the median.
        forward_us: forward alone, without a way back, the median of the rounds.
        forward_least_us: the least of the rounds.
        forward_most_us: the most of the rounds.
        forward_floor_us: the floor of forward alone.
        busy_cores: how many cores were busy, forward and backward, the median of the rounds.
        rounds: the number of rounds.

    """

    cell: str
    H: int
    B: int
    T: int
    R: int
    I: int  # noqa: E741 -- the field's name
    contender: str
    state: str
    why: str
    error: float | None
    first_s: float | None
    both_us: float | None
    both_least_us: float | None
    both_most_us: float | None
    floor_us: float | None
    share: float | None
    forward_us: float | None
    forward_least_us: float | None
    forward_most_us: float | None
    forward_floor_us: float | None
    busy_cores: float | None
    rounds: int

    @property
    def size(self) -> tuple[str, int, int, int, int]:
        """Return cell, H, B, T and R."""
        return self.cell, self.H, self.B, self.T, self.R


@dataclass(frozen=True)
class Report:
    """The figures of a benchmark, for a table, a picture or a file.

    Args:
        machine: facts, see :func:`longlag.benchmark.machine.machine`.
        settings: the settings of the benchmark.
        rate_gflops: billions of floating-point operations a second; 0 if not measured.
        rate_of: the product that reached this rate.
        rows: the figures.
        left_out: contender -> reason -> the cells.
        notes: more that a reader should know.

    """

    machine: dict[str, str | int | None]
    settings: dict[str, Any]
    rate_gflops: float
    rate_of: str
    rows: Sequence[Row]
    left_out: dict[str, dict[str, list[str]]]
    notes: Sequence[str] = ()


def rows_of(measured: Sequence[Measured], rate: float) -> list[Row]:
    """Return a row for each size and contender that was measured, or is wrong or has failed.

    Args:
        measured: the sizes.
        rate: the machine's floating-point operations a second.

    """
    return [
        _row(each, entry, rate) for each in measured for entry in each.entries if entry.rounds or entry.state != "right"
    ]


def left_out(measured: Sequence[Measured]) -> dict[str, dict[str, list[str]]]:
    """Return the contenders that did not run cells: contender -> reason -> the cells."""
    by_contender: dict[str, dict[str, list[str]]] = {}
    for each in measured:
        for name, why in each.absent.items():
            cells = by_contender.setdefault(name, {}).setdefault(why, [])
            if each.size.cell not in cells:
                cells.append(each.size.cell)
    return by_contender


def as_json(report: Report) -> dict[str, Any]:
    """Return the report as plain data for JSON, which has no NaN."""
    data = asdict(report)
    for row in data["rows"]:
        for key, value in row.items():
            if isinstance(value, float) and not math.isfinite(value):
                row[key] = None
    return data


def as_csv(report: Report) -> str:
    """Return CSV with a row for each size and contender; every row names the machine."""
    text = io.StringIO()
    machine = {**report.machine, "rate_gflops": report.rate_gflops, "rate_of": report.rate_of}
    writer = csv.DictWriter(text, [*(field.name for field in fields(Row)), *machine], lineterminator="\n")
    writer.writeheader()
    writer.writerows({**row, **machine} for row in as_json(report)["rows"])
    return text.getvalue()


def _row(measured: Measured, entry: Entry, rate: float) -> Row:
    size = measured.size
    both, forward, cores = (list(column) for column in zip(*entry.rounds, strict=True)) if entry.rounds else ([],) * 3
    least, median, most = _spread(both)
    forward_least, forward_median, forward_most = _spread(forward)
    floor = 1e6 * operations(measured.gates, size) / rate if measured.gates and rate else None
    return Row(
        **asdict(size),
        contender=entry.name,
        state=entry.state,
        why=entry.why,
        error=entry.error,
        first_s=entry.first_s,
        both_us=median,
        both_least_us=least,
        both_most_us=most,
        floor_us=floor,
        share=floor / median if floor and median else None,
        forward_us=forward_median,
        forward_least_us=forward_least,
        forward_most_us=forward_most,
        forward_floor_us=None if floor is None else floor / 3,
        busy_cores=_spread(cores)[1],
        rounds=len(entry.rounds),
    )


def _spread(values: Sequence[float]) -> tuple[float, float, float] | tuple[None, None, None]:
    """Return the least, the median and the most."""
    return (min(values), statistics.median(values), max(values)) if values else (None, None, None)
