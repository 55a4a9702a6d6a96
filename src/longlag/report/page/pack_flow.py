"""``error_flow.csv`` -> the part that the page shows. Only the lines that are kept are parsed.

A thousand runs may have a gigabyte of error flow, and the page has room for a few megabytes of it. The reader of
``longlag.runs.error_flow_csv`` parses every line and would need minutes.
"""

import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from longlag.report.page.pack import evenly, packed
from longlag.runs.error_flow_csv import COLUMNS, QUANTITIES
from longlag.runs.files import MOST_TABLE, read_text
from longlag.runs.metrics_csv import check_count

_FEWEST_STEPS, _FEWEST_LAGS = 6, 12
#: Name of a quantity -> its column. The page does not show the quantiles over the sequences.
_PLACES = {name: COLUMNS.index(name) for name in QUANTITIES}


def read_packed_flow(path: Path, most: int) -> dict[str, Any]:
    """Read an ``error_flow.csv`` and pack it, see :func:`packed_flow`.

    Raises:
        OSError: the file cannot be read.
        ValueError: the file is no such table, or its end is missing.

    """
    try:
        return packed_flow(read_text(path, MOST_TABLE), most)
    except ValueError as error:
        raise ValueError(f"{path} is not a table of error flow: {error}") from error


def packed_flow(text: str, most: int) -> dict[str, Any]:
    """Return the error flow of a run, thinned evenly in steps and in lags; both ends are kept.

    Args:
        text: of ``error_flow.csv``.
        most: about how many values are kept.

    Returns:
        layer -> ``steps`` and ``lags``, packed; ``of``, the number of measured steps and lags; and for each quantity
        its log10 at each step and lag, packed, with the lag as the fastest index. A quantity that was never measured is
        left out.

    Raises:
        ValueError: the text is no such table, or its end is missing.

    """
    layers: dict[int, dict[int, list[str]]] = {}
    heading, *lines = text.split("\n")
    if heading != ",".join(COLUMNS):
        raise ValueError("other columns are wanted")
    if lines.pop() != "":
        raise ValueError("its end is missing")
    for number, line in enumerate(lines, start=2):
        step, layer, lag, _ = line.split(",", 3) if line.count(",") == len(COLUMNS) - 1 else ("", "", "", "")
        measured = layers.setdefault(int(layer or -1), {}).setdefault(int(step or -1), [])
        if lag != str(len(measured)):
            raise ValueError(f"line {number} is not whole or out of order")
        measured.append(line)
    for count in {*layers, *(step for steps in layers.values() for step in steps)}:
        check_count(count)
    share = most // max(1, len(layers))
    return {str(layer): _packed_layer(layers[layer], share) for layer in sorted(layers)}


def _packed_layer(measured: Mapping[int, Sequence[str]], most: int) -> dict[str, Any]:
    longest = max(map(len, measured.values()))
    cells = most / len(_PLACES)
    shrink = min(1.0, math.sqrt(cells / (len(measured) * longest)))
    steps = evenly(sorted(measured), max(_FEWEST_STEPS, int(len(measured) * shrink)))
    lags = evenly(range(longest), max(_FEWEST_LAGS, int(cells / len(steps))))
    rows = [[line.split(",") for line in _at(measured[step], lags)] for step in steps]
    layer: dict[str, Any] = {"steps": packed(steps), "lags": packed(lags), "of": [len(measured), longest]}
    for name, place in _PLACES.items():
        texts = [row[place] if place < len(row) else "" for lines in rows for row in lines]
        if any(texts):
            layer[name] = packed(float(text) if text else math.nan for text in texts)
    return layer


def _at(lines: Sequence[str], lags: Sequence[int]) -> list[str]:
    return [lines[lag] if lag < len(lines) else "" for lag in lags]
