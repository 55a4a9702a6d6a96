"""Sequences as a picture."""

import math
from collections.abc import Sequence
from pathlib import Path

from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from longlag.show.sequence_tracks import SequenceTracks, Track

_GREY, _CUE, _WANTED = "#8a8f98", "#d55e00", "#0072b2"  # distinct for colour-blind readers too
_NAMED = 20  # with more rows of symbols, only some have a tick


def save_picture(sequences: Sequence[SequenceTracks], title: str, path: Path, steps: int) -> None:
    """Draw sequences one below the other, and save them as a PNG.

    Args:
        sequences: the sequences.
        title: the title of the picture.
        path: the file.
        steps: the most steps of a sequence to draw.

    """
    heights = [_height(track) for sequence in sequences for track in sequence.tracks]
    inches = sum(heights) + 0.35 * len(heights) + 0.9
    figure = Figure(figsize=(9, inches), layout="constrained")
    canvas = FigureCanvasAgg(figure)
    figure.suptitle(title, fontsize=11, x=0.01, ha="left")
    axes = figure.subplots(len(heights), 1, height_ratios=heights, squeeze=False)[:, 0]
    longest = min(steps, max(len(sequence.cues) for sequence in sequences))
    rows = iter(axes)
    for number, sequence in enumerate(sequences, start=1):
        for place, track in enumerate(sequence.tracks):
            axis = next(rows)
            _draw(axis, track, sequence, steps)
            axis.set_xlim(-0.7, longest - 0.3)
            _format(axis, track, f"sequence {number}" if place == 0 else "")
        _annotate(axis, sequence, steps)
    axes[-1].set_xlabel("step")
    _legend(figure, sequences)
    path.parent.mkdir(parents=True, exist_ok=True)
    canvas.print_png(path)  # type: ignore[no-untyped-call]


def _height(track: Track) -> float:
    return 0.7 if track.on is None else min(0.25 + 0.14 * len(track.symbols), 2.2)


def _draw(axis: Axes, track: Track, sequence: SequenceTracks, steps: int) -> None:
    cues = sequence.cues.tolist()[:steps]
    if track.on is not None:
        at = [(step, row) for step, row in track.on.nonzero().tolist() if step < steps]
        ys: list[float] = [row for _, row in at]
    else:
        assert track.values is not None
        at = [(step, 0) for step, value in enumerate(track.values.tolist()[:steps]) if not math.isnan(value)]
        ys = [track.values[step].item() for step, _ in at]
    xs = [step for step, _ in at]
    colours = [_WANTED if track.wanted else _CUE if cues[step] else _GREY for step in xs]
    if track.on is None:
        axis.vlines(xs, 0, ys, colors=colours, linewidth=1.2)
    axis.scatter(xs, ys, c=colours, s=14, marker="s" if track.on is not None else "o", zorder=3, clip_on=False)


def _format(axis: Axes, track: Track, heading: str) -> None:
    axis.spines[["top", "right"]].set_visible(False)
    axis.tick_params(labelsize=7)
    axis.set_ylabel(track.name, fontsize=8)
    if heading:
        axis.set_title(heading, fontsize=8, loc="left", pad=3)
    if track.on is not None:
        few = len(track.symbols) <= _NAMED
        every = 1 if few else -(-len(track.symbols) // 8)
        ticks = list(range(0, len(track.symbols), every))
        axis.set_yticks(ticks, [track.symbols[k] for k in ticks])
        axis.set_ylim(len(track.symbols) - 0.5, -0.5)
        axis.grid(axis="y", linewidth=0.3, color="#d8dbe0")
    else:
        axis.axhline(0, linewidth=0.5, color="#b8bcc4", zorder=0)
        low, high = axis.get_ylim()
        if high - low < 0.2:  # only zeros
            axis.set_ylim(-0.05, 1.05)


def _annotate(axis: Axes, sequence: SequenceTracks, steps: int) -> None:
    """Write the target of the last step, and the number of steps left out."""
    L = len(sequence.cues)
    if steps < L:
        axis.annotate(
            f"… {L - steps} more steps", (1, -0.02), xycoords="axes fraction", fontsize=7, ha="right", va="top"
        )
    elif sequence.answer is not None:
        axis.axvline(L - 1, color=_WANTED, linewidth=1, linestyle=":", zorder=0)
    if sequence.answer is not None:
        axis.annotate(
            f"target: {sequence.answer}",
            (1, 1.02),
            xycoords="axes fraction",
            fontsize=8,
            color=_WANTED,
            ha="right",
            va="bottom",
            fontweight="bold",
        )


def _legend(figure: Figure, sequences: Sequence[SequenceTracks]) -> None:
    entries = [("cue", _CUE)] if any(sequence.cues.any() for sequence in sequences) else []
    if any(not sequence.cues.all() for sequence in sequences):
        entries.append(("other input", _GREY))
    handles = [Figure().subplots().scatter([], [], c=colour, s=20) for _, colour in [*entries, ("target", _WANTED)]]
    figure.legend(
        handles, [*(name for name, _ in entries), "target"], loc="upper right", ncols=3, fontsize=8, frameon=False
    )
