"""``error_flow.csv``: how the gradient runs back along time, a row for each measurement, layer and lag."""

from collections.abc import Mapping
from pathlib import Path

from longlag.runs.files import write_whole
from longlag.runs.metrics import read_rows

#: What is measured at each lag, and what its name stands for; all of them norms over the units of one sequence.
QUANTITIES = {
    "dx": "‖dL/dx_t‖",
    "dh": "‖dL/dh_t‖",
    "dc": "‖dL/dc_t‖",
    "dx_direct": "‖dL/dx_t‖ along the direct path",
    "dc_direct": "‖dL/dc_t‖ along the direct path (of h_t where that is the memory)",
}
#: The ends of the columns that hold quantiles over the sequences, and which quantile each holds.
QUANTILES = {"_10": 0.1, "_50": 0.5, "_90": 0.9}
#: ``step``, the optimizer steps taken; ``layer``, from 1 at the bottom; ``lag``, the steps back from the last one that
#: counts; ``sequences``, how many of the probe batch reach back so far. Then log10 of each quantity: the mean over the
#: sequences under its name, quantiles under its name and their ends. -inf where the gradient is exactly 0, and empty
#: where there is no such thing (no cell state, no direct path).
COLUMNS = (
    "step",
    "layer",
    "lag",
    "sequences",
    *(f"{name}{end}" for name in QUANTITIES for end in ("", *QUANTILES)),
)

#: One measurement of one layer: column -> a value for each lag, from lag 0 on.
Lags = Mapping[str, list[float]]


class ErrorFlowTable:
    """The measurements of ``error_flow.csv``, in memory and on disk.

    Args:
        path: the file.
        until: keep what is there already up to this step, as a resumed run must; ``None`` starts anew.

    """

    def __init__(self, path: Path, until: int | None = None) -> None:
        self.path = path
        self.flows: dict[tuple[int, int], str] = {}
        """(step, layer) -> its rows, as text: the file is written often, and each time whole."""
        if until is not None and path.exists():
            for (step, layer), lags in read_error_flow(path).items():
                if step <= until:
                    self.add(step, layer, lags)

    def add(self, step: int, layer: int, lags: Lags) -> None:
        """Add a measurement, in the place of one of the same step and layer."""
        length = len(lags["sequences"])
        columns = [[f"{x:.6g}" for x in lags[name]] if name in lags else [""] * length for name in COLUMNS[3:]]
        rows = (",".join((f"{step},{layer},{lag}", *values)) for lag, values in enumerate(zip(*columns, strict=True)))
        self.flows[step, layer] = "".join(f"{row}\n" for row in rows)

    def write(self, durable: bool = True) -> None:
        """Write the file, whole; see :func:`longlag.runs.files.write_whole`."""
        rows = (rows for _, rows in sorted(self.flows.items()))
        write_whole(self.path, "".join([",".join(COLUMNS) + "\n", *rows]), durable)


def read_error_flow(path: Path) -> dict[tuple[int, int], dict[str, list[float]]]:
    """Read ``error_flow.csv``: (step, layer) -> column -> a value for each lag; columns that are empty are left out.

    Raises:
        OSError: it cannot be read.
        ValueError: it is not such a file, or not the whole of one.

    """
    found: dict[tuple[int, int], dict[str, list[float]]] = {}
    try:
        header, *rows = read_rows(path)
        if tuple(header) != COLUMNS:
            raise ValueError("it has other columns")
        for step, layer, lag, *values in rows:
            lags = found.setdefault((int(step), int(layer)), {})
            if int(lag) != len(lags.get("sequences", ())):
                raise ValueError(f"step {step}, layer {layer}: lag {lag} is out of order")
            for name, value in zip(COLUMNS[3:], values, strict=True):
                if value:
                    lags.setdefault(name, []).append(float(value))
    except ValueError as error:
        raise ValueError(f"{path} is not a table of error flow: {error}") from error
    return found
