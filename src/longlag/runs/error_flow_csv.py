"""``error_flow.csv``: the gradient against the lag, one row for each measurement, layer and lag."""

import os
from collections.abc import Mapping
from pathlib import Path

from longlag.runs.files import MOST_TABLE, open_file, read_text, write_whole
from longlag.runs.metrics_csv import check_count, read_rows

#: The quantities at each lag: name -> formula. Each is a norm over the units, for one sequence.
QUANTITIES = {
    "dx": "‖dL/dx_t‖",
    "dh": "‖dL/dh_t‖",
    "dc": "‖dL/dc_t‖",
    "dx_direct": "‖dL/dx_t‖ along the direct path",
    "dc_direct": "‖dL/dc_t‖ along the direct path (of h_t where that is the memory)",
}
#: End of a column's name -> the quantile over the sequences that the column holds.
QUANTILES = {"_10": 0.1, "_50": 0.5, "_90": 0.9}
#: ``step``: optimizer steps. ``layer``: from 1 at the bottom. ``lag``: steps back from the last step that counts.
#: ``sequences``: how many sequences of the probe batch reach this lag. Then log10 of each quantity: the mean over the
#: sequences, and the quantiles. An entry is -inf where the gradient is exactly 0, and empty where the cell has no such
#: quantity (no cell state, no direct path).
COLUMNS = (
    "step",
    "layer",
    "lag",
    "sequences",
    *(f"{name}{end}" for name in QUANTITIES for end in ("", *QUANTILES)),
)
_HEADINGS = ",".join(COLUMNS) + "\n"

#: One measurement of one layer: column -> a value for each lag, from lag 0 on.
Lags = Mapping[str, list[float]]


class ErrorFlowTable:
    """Append measurements to ``error_flow.csv``.

    Args:
        path: the file.
        until: keep the rows of the file up to this step, as a resumed run must; ``None`` starts a new file.

    """

    def __init__(self, path: Path, until: int | None = None) -> None:
        self.path = path
        self.until = until
        self._begun = False
        self._new: list[str] = []

    def add(self, step: int, layer: int, lags: Lags) -> None:
        """Add a measurement."""
        length = len(lags["sequences"])
        there = [name for name in COLUMNS[3:] if name in lags]
        row = ",".join([f"{step},{layer},%d", *("%.6g" if name in lags else "" for name in COLUMNS[3:])]) + "\n"
        columns = zip(range(length), *(lags[name] for name in there), strict=True)
        self._new += [row % values for values in columns]

    def write(self, durable: bool = True) -> None:
        """Write the new measurements.

        Args:
            durable: whether to wait until the file is on the disk.

        """
        if not self._begun:
            self._begin()
        new = "".join(self._new)
        if self._new and not self.path.exists():
            write_whole(self.path, _HEADINGS + new, durable)
        elif self._new or (durable and self.path.exists()):
            with open_file(self.path, "a") as file:
                file.write(new)
                if durable:
                    file.flush()
                    os.fsync(file.fileno())
        self._new = []

    def _begin(self) -> None:
        """Remove the rows of the file that are incomplete or later than ``until``."""
        self._begun = True
        if self.until is None or not self.path.exists():
            self.path.unlink(missing_ok=True)
            return
        lines = read_text(self.path, MOST_TABLE, errors="replace").splitlines(keepends=True)
        whole = [(line, line.partition(",")[0]) for line in lines if line.count(",") == len(COLUMNS) - 1]
        kept = [line for line, step in whole if step.isdigit() and int(step) <= self.until and line.endswith("\n")]
        write_whole(self.path, "".join([_HEADINGS, *kept]))


def read_error_flow(path: Path) -> dict[tuple[int, int], dict[str, list[float]]]:
    """Read ``error_flow.csv``: (step, layer) -> column -> a value for each lag; empty columns are left out.

    Raises:
        OSError: the file cannot be read.
        ValueError: the file is no such table, or its end is missing.

    """
    flows: dict[tuple[int, int], dict[str, list[float]]] = {}
    try:
        header, *rows = read_rows(path)
        if tuple(header) != COLUMNS:
            raise ValueError("other columns are wanted")
        for step, layer, lag, *values in rows:
            lags = flows.setdefault((check_count(int(step)), check_count(int(layer))), {})
            if int(lag) != len(lags.get("sequences", ())):
                raise ValueError(f"step {step}, layer {layer}: lag {lag} is out of order")
            for name, value in zip(COLUMNS[3:], values, strict=True):
                if value:
                    lags.setdefault(name, []).append(float(value))
    except ValueError as error:
        raise ValueError(f"{path} is not a table of error flow: {error}") from error
    return flows
