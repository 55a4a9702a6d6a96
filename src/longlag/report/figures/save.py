"""All figures of some runs, into a folder."""

from collections.abc import Callable, Mapping, Sequence
from functools import partial
from pathlib import Path

import matplotlib as mpl
from matplotlib.figure import Figure

from longlag.report.columns import TERMINAL, curves_of, declared_metrics
from longlag.report.curves import RunCurves
from longlag.report.figures.flow import flow_curves, flow_maps
from longlag.report.figures.groups import Group, groups_of, subject_of
from longlag.report.figures.rates import solve_rates
from longlag.report.figures.style import STYLE, Layout, caption_of, laid_out, save
from longlag.report.figures.training import training_curves
from longlag.runs.files import write_whole

_DH, _DC = "‖dL/dh$_t$‖", "‖dL/dc$_t$‖"

SOLVE_RATE = "solve_rate"
CAPTIONS = "captions.md"

Draw = Callable[[Sequence[Group], str], Figure | None]


def save_figures(
    runs: Sequence[RunCurves], folder: Path, kind: str = "png", layout: Layout | None = None
) -> list[Path]:
    """Write the figures of runs for print.

    ``solve_rate``: how often each setting was solved, and how soon. ``val_acc``, ``early_gradient`` and one for each
    further curve that is declared as shown everywhere: against the optimizer steps. ``error_flow`` and
    ``error_flow_cell``: the gradient of h and of c against the lag, at initialisation and at the end.
    ``error_flow_map``: the gradient of h over lag × training step, for each setting. Cells are rows and lags are
    columns. A figure of something that no run recorded is left out; the small print counts the runs that a figure
    leaves out. Without captions in the figures, ``captions.md`` has the small print of each.

    Args:
        runs: the runs, in whatever state.
        folder: for the figures; it is made if it is missing.
        kind: ``png`` of 300 dots an inch, ``pdf`` with its fonts, or ``svg``, whose letters are drawn as shapes.
        layout: of all figures; ``None``: as wide as they need to be, with their small print.

    Returns:
        The files that were written.

    Raises:
        OSError: a file cannot be written.

    """
    figures = {SOLVE_RATE: solve_rates, **_curves(runs), **_FLOW}
    return _save(runs, folder, figures, kind, layout or Layout())


def save_solve_rates(runs: Sequence[RunCurves], folder: Path) -> list[Path]:
    """Write ``solve_rate.png`` alone; an empty list if no run has ended with an outcome.

    Raises:
        OSError: the file cannot be written.

    """
    return _save(runs, folder, {SOLVE_RATE: solve_rates}, "png", Layout())


#: The name of a figure -> the function that draws it; ``None`` where there is nothing to draw.
_FLOW: dict[str, Draw] = {
    "error_flow": lambda groups, subject: flow_curves(groups, subject, "dh", _DH),
    "error_flow_cell": lambda groups, subject: flow_curves(groups, subject, "dc", _DC, direct="dc_direct"),
    "error_flow_map": lambda groups, subject: flow_maps(groups, subject, "dh", _DH),
}


def _curves(runs: Sequence[RunCurves]) -> dict[str, Draw]:
    """Return the figures of the curves on the validation split and of the probe batch."""
    keys = [key for run in runs for row in run.metrics.values() for key in row]
    declared = declared_metrics([run.record for run in runs])
    metrics = [
        metric for metric in curves_of(keys, declared, TERMINAL) if not metric.key.startswith(("train/", "recent/"))
    ]
    return {f"{metric.key.replace('/', '_')}": partial(training_curves, metric=metric) for metric in metrics}


def _save(
    runs: Sequence[RunCurves], folder: Path, figures: Mapping[str, Draw], kind: str, layout: Layout
) -> list[Path]:
    folder.mkdir(parents=True, exist_ok=True)
    groups, subject = groups_of(runs), subject_of(runs)
    written, captions = [], []
    with mpl.rc_context(STYLE), laid_out(layout):  # type: ignore[arg-type]
        for name, draw in figures.items():
            figure = draw(groups, subject)
            if figure is not None:
                written.append(save(figure, folder / f"{name}.{kind}"))
                captions.append(f"**{name}**: {caption_of(figure)}.\n")
    if captions and not layout.caption:
        write_whole(folder / CAPTIONS, "\n".join(captions))
        written.append(folder / CAPTIONS)
    return written
