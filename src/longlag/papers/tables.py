"""The published and the measured rows as a table: for the terminal, as Markdown, as JSON."""

import json
from collections.abc import Sequence
from dataclasses import asdict

from longlag.papers.comparison import Comparison
from longlag.papers.verdict import RULE
from longlag.terminal import duration

HEADINGS = ("row", "published", "success", "mean [95 %]", "time", "verdict")
_WHOLE = (
    *("row", "method", "weights", "rate", "success, published", "success, measured [95 %]", "sequences, published"),
    *("sequences, measured mean [95 %]", "median", "range", "test wrong, published", "test wrong, measured"),
    *("test error", "time", "verdict", "note"),
)


def cells_of(comparison: Comparison) -> list[str]:
    """Return the cells of :data:`HEADINGS`, which fit into 80 columns."""
    row, trials = comparison.row, comparison.trials
    return [
        row.name,
        f"{row.sequences:,.0f}",
        f"{len(comparison.solved)} of {len(trials)}" if trials else "-",
        _interval(comparison, short=True),
        duration(comparison.seconds) if trials else "-",
        comparison.verdict,
    ]


def as_markdown(paper: str, comparisons: Sequence[Comparison]) -> str:
    """Return all figures as a table in Markdown, with the rule of the verdict."""
    lines = ["| " + " | ".join(_WHOLE) + " |", "|" + "---|" * len(_WHOLE)]
    lines += ["| " + " | ".join(_whole_cells(each)) + " |" for each in comparisons]
    return "\n".join([f"## {paper}: published and measured", "", *lines, "", RULE, ""])


def as_json(paper: str, comparisons: Sequence[Comparison]) -> str:
    """Return all figures, and each trial, as JSON."""
    rows = [
        {
            "published": {**asdict(each.row), "until": None if each.row.until is None else each.row.until._asdict()},
            "trials": [asdict(trial) for trial in each.trials],
            "trials_wanted": each.wanted,
            "succeeded": len(each.solved),
            "success_interval": each.success,
            "mean_sequences": each.mean,
            "mean_interval": each.mean_interval,
            "median_sequences": each.median,
            "test_wrong": each.wrong,
            "test_error": each.error,
            "seconds": each.seconds,
            "verdict": each.verdict,
        }
        for each in comparisons
    ]
    return json.dumps({"paper": paper, "rule": RULE, "rows": rows}, indent=1, ensure_ascii=False) + "\n"


def _whole_cells(each: Comparison) -> list[str]:
    row, solved = each.row, each.solved
    printed = f"{row.success:.0%} of {row.trials}" if row.success_printed else f"not printed, mean of {row.trials}"
    success = "-"
    if each.success is not None:
        success = f"{len(solved)} of {len(each.trials)} [{each.success[0]:.0%}, {each.success[1]:.0%}]"
    return [
        *(row.name, row.method, f"{row.weights:,}", f"{row.learning_rate:g}", printed, success),
        *(f"{row.sequences:,.0f}", _interval(each, short=False), _number(each.median)),
        f"{min(solved):,.0f} to {max(solved):,.0f}" if solved else "-",
        *(_share(row.wrong), _share(each.wrong), "-" if each.error is None else f"{each.error:.3g}"),
        *(duration(each.seconds) if each.trials else "-", each.verdict, row.note),
    ]


def _interval(each: Comparison, short: bool) -> str:
    if each.mean is None:
        return "-"
    scale, unit = (1000, "k") if short else (1, "")
    mean, inside = f"{each.mean / scale:,.0f}{unit}", each.mean_interval
    return mean if inside is None else f"{mean} [{inside[0] / scale:,.0f}, {inside[1] / scale:,.0f}]"


def _number(value: float | None) -> str:
    return "-" if value is None else f"{value:,.0f}"


def _share(value: float | None) -> str:
    return "-" if value is None else f"{value:.6f}".rstrip("0").rstrip(".") or "0"
