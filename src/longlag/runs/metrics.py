"""``metrics.csv``: the curves of a run, one row an optimizer step."""

import csv
import io
from collections.abc import Mapping
from pathlib import Path

from longlag.runs.files import write_whole


class MetricsTable:
    """The rows of ``metrics.csv``, in memory and on disk.

    The first column is ``step``; the others are in the order in which they first came. A figure that was not measured
    at a step is left empty.

    Args:
        path: the file.
        until: keep the rows already there up to this step, as a resumed run must; ``None`` starts anew.

    """

    def __init__(self, path: Path, until: int | None = None) -> None:
        self.path = path
        self.rows: dict[int, dict[str, float]] = {}
        if until is not None and path.exists():
            self.rows = {step: row for step, row in read_metrics(path).items() if step <= until}

    def add(self, step: int, values: Mapping[str, float]) -> None:
        """Add figures to the row of a step."""
        self.rows.setdefault(step, {}).update(values)

    def write(self) -> None:
        """Write the file, whole."""
        columns = list(dict.fromkeys(name for row in self.rows.values() for name in row))
        text = io.StringIO()
        writer = csv.DictWriter(text, ["step", *columns], restval="", lineterminator="\n")
        writer.writeheader()
        for step in sorted(self.rows):
            writer.writerow({"step": step, **self.rows[step]})
        write_whole(self.path, text.getvalue())


def read_metrics(path: Path) -> dict[int, dict[str, float]]:
    """Read ``metrics.csv``: step -> figures, without the empty ones.

    Raises:
        ValueError: it is not such a file.

    """
    with path.open(newline="") as file:
        rows = list(csv.DictReader(file))
    try:
        return {
            int(row["step"]): {name: float(x) for name, x in row.items() if name != "step" and x not in ("", None)}
            for row in rows
        }
    except (KeyError, TypeError, ValueError) as error:
        raise ValueError(f"{path} is not a table of metrics: {error}") from error
