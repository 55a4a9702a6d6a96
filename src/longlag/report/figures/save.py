"""All figures of some runs, into a folder."""

from collections.abc import Callable, Sequence
from pathlib import Path

import matplotlib as mpl
from matplotlib.figure import Figure

from longlag.report.curves import RunCurves
from longlag.report.figures.flow import flow_curves, flow_maps
from longlag.report.figures.groups import Group, groups_of, subject_of
from longlag.report.figures.rates import solve_rates
from longlag.report.figures.style import STYLE, save
from longlag.report.figures.training import training_curves

_DH, _DC = "‖dL/dh$_t$‖", "‖dL/dc$_t$‖"

SOLVE_RATE = "solve_rate.png"
#: The name of a file -> what draws it; ``None`` where there is nothing to draw.
FIGURES: dict[str, Callable[[Sequence[Group], str], Figure | None]] = {
    SOLVE_RATE: solve_rates,
    "accuracy.png": lambda groups, of: training_curves(groups, of, "val/acc", "validation accuracy", log=False),
    "early_gradient.png": lambda groups, of: training_curves(groups, of, "early_gradient", "early gradient", log=True),
    "error_flow.png": lambda groups, of: flow_curves(groups, of, "dh", _DH),
    "error_flow_cell.png": lambda groups, of: flow_curves(groups, of, "dc", _DC, direct="dc_direct"),
    "error_flow_map.png": lambda groups, of: flow_maps(groups, of, "dh", _DH),
}


def save_figures(runs: Sequence[RunCurves], folder: Path, names: Sequence[str] = tuple(FIGURES)) -> list[Path]:
    """Write the figures of some runs as PNGs, 300 dots per inch, for print.

    ``solve_rate.png``: how often each setting was solved, and how soon. ``accuracy.png`` and ``early_gradient.png``:
    against the optimizer steps. ``error_flow.png`` and ``error_flow_cell.png``: the gradient of h and of c against the
    lag, at initialisation and at the end. ``error_flow_map.png``: the gradient of h over lag × training step. What the
    runs do not have is left out.

    Args:
        runs: the runs, in whatever state.
        folder: where the figures go; it is made if it is not there.
        names: which of them are wanted.

    Returns:
        The files that were written.

    Raises:
        OSError: one cannot be written.

    """
    folder.mkdir(parents=True, exist_ok=True)
    groups, subject = groups_of(runs), subject_of(runs)
    written = []
    with mpl.rc_context(STYLE):  # type: ignore[arg-type]
        for name in names:
            figure = FIGURES[name](groups, subject)
            if figure is not None:
                written.append(save(figure, folder / name))
    return written
