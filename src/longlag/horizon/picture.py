"""A figure of horizons: for each task, the solve rate against the lag, and the horizon of each setting."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import matplotlib as mpl
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import NullFormatter

from longlag.horizon.foretelling import FLOWS, foretelling, sentence
from longlag.report.figures.style import STYLE, broken, legend, look, new_figure, quiet_grid, remark, save

Entry = Mapping[str, Any]


def save_horizons(entries: Sequence[Entry], path: Path) -> Path:
    """Write the figure as a PNG.

    Args:
        entries: as :mod:`longlag.horizon.study_file` holds them.
        path: of the figure.

    Raises:
        OSError: it cannot be written.

    """
    with mpl.rc_context(STYLE):  # type: ignore[arg-type]
        return save(_figure(entries), path)


def save_foretelling(entries: Sequence[Entry], path: Path) -> Path | None:
    """Write the horizons against the half-lives before training as a PNG; ``None`` with fewer than five settings.

    Raises:
        OSError: it cannot be written.

    """
    flows = [flow for flow in FLOWS if foretelling(entries, flow) is not None]
    if not flows:
        return None
    tasks = list(dict.fromkeys(entry["task"] for entry in entries))
    with mpl.rc_context(STYLE):  # type: ignore[arg-type]
        figure = new_figure(2.6)
        (panels,) = figure.subplots(1, len(flows), squeeze=False, sharey=True)
        for axis, flow in zip(panels, flows, strict=True):
            for entry in entries:
                if entry.get(flow) in (None, "inf") or entry["horizon"] is None:  # it has no place
                    continue
                colour = look(tasks.index(entry["task"]))["color"]
                axis.plot([entry[flow]], [entry["horizon"]], "o", markersize=3.5, color=colour)
                axis.annotate(
                    entry["setting"], (entry[flow], entry["horizon"]), (3, 2), textcoords="offset points", size=5
                )
            axis.set_xscale("log")
            axis.set_yscale("log")
            axis.set_xlabel(broken(f"{FLOWS[flow]} (steps)", 2.4))
            quiet_grid(axis)
        panels[0].set_ylabel("memory horizon (steps)")
        legend(figure, "", tasks, "task")
        remark(figure, ". ".join(filter(None, (sentence(entries, flow) for flow in flows))))
        return save(figure, path)


def _figure(entries: Sequence[Entry]) -> Figure:
    tasks = list(dict.fromkeys(entry["task"] for entry in entries))
    settings = list(dict.fromkeys(entry["setting"] for entry in entries))
    height = max(1.6, 0.5 + 0.2 * len(settings))
    figure = new_figure(0.5 + height * len(tasks))
    panels = figure.subplots(len(tasks), 2, squeeze=False, sharex="row")
    for (left, right), task in zip(panels, tasks, strict=True):
        shown = [entry for entry in entries if entry["task"] == task]
        for entry in shown:
            style = look(settings.index(entry["setting"]))
            _curve(left, entry, style)
            _horizon(right, entry, settings.index(entry["setting"]), style["color"])
        left.set_ylabel(broken(task.replace("_", " "), height))
        left.axhline(shown[0]["rate"], linewidth=0.5, color="black", linestyle=":")
        left.set_ylim(-0.03, 1.03)
        right.set_yticks(range(len(settings)), [broken(setting, 1.4) for setting in settings])
        right.set_ylim(len(settings) - 0.5, -0.5)
        for axis in (left, right):
            axis.set_xscale("log", base=2)
            _ticks(axis, sorted({tested["T"] for entry in shown for tested in entry["curve"]}))
            quiet_grid(axis)
    panels[0][0].set_title("share of seeds that solve the task")
    panels[0][1].set_title("memory horizon")
    for axis in panels[-1]:
        axis.set_xlabel("T (steps)")
    first = entries[0]
    remark(
        figure,
        f"At least {first['needed']} of {first['seeds']} seeds within {first['budget']:,} training sequences."
        f" Bars: 95 % (rates), {100 * first['credibility']:.0f} % (horizons); an arrow: the end lies outside of the"
        " tested lags. Lines join the tested lags.",
    )
    return figure


def _curve(axis: Axes, entry: Entry, style: Mapping[str, Any]) -> None:
    lags = [tested["T"] for tested in entry["curve"]]
    rates = [tested["rate"] for tested in entry["curve"]]
    low, high = ([tested[end] for tested in entry["curve"]] for end in ("rate_low", "rate_high"))
    axis.plot(lags, rates, marker="o", markersize=2.5, **style)
    axis.vlines(lags, low, high, color=style["color"], linewidth=0.6, alpha=0.6)


def _horizon(axis: Axes, entry: Entry, row: int, colour: str) -> None:
    lags = [tested["T"] for tested in entry["curve"]]
    low, high = entry["low"] or min(lags), entry["high"] or max(lags)
    axis.hlines(row, low, high, color=colour, linewidth=1.2)
    for end, place, marker in ((entry["low"], low, "<"), (entry["high"], high, ">")):
        if end is None:
            axis.plot([place], [row], marker=marker, markersize=3.5, color=colour)
    if entry["horizon"] is not None:
        axis.plot([entry["horizon"]], [row], marker="o", markersize=4, color=colour)


def _ticks(axis: Axes, lags: Sequence[int]) -> None:
    """Mark some of the tested lags, each at least a factor of 1.9 from the one before."""
    marked: list[int] = []
    for T in lags:
        if not marked or 1.9 * marked[-1] <= T:
            marked.append(T)
    axis.set_xticks(marked, [str(T) for T in marked])
    axis.xaxis.set_minor_formatter(NullFormatter())
