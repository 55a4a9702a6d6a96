"""Sequences in the terminal: a strip of symbols or bars over time."""

import math
from collections.abc import Iterator

from rich.console import Console
from rich.text import Text

from longlag.show.sequence_tracks import SequenceTracks, Track

_BARS = "▁▂▃▄▅▆▇█"
_CUE, _WANTED = "bold yellow", "bold cyan"


def print_strip(sequence: SequenceTracks, console: Console, steps: int) -> None:
    """Print at most the first ``steps`` steps of a sequence, in lines that fit the console.

    A ^ marks the cues; a console with colours colours them too.
    """
    L = len(sequence.cues)
    shown = min(L, steps)
    rows = [(track.name, _cells(track)[:shown], track.wanted) for track in sequence.tracks]
    cell = max(len(text) for _, cells, _ in rows for text in cells)
    cell += cell > 1  # a space between symbols of several characters
    margin = max(len(name) for name in ["target", *(name for name, *_ in rows)]) + 4
    a_line = max(1, (console.width - margin) // cell)
    for start in range(0, shown, a_line):
        part = slice(start, min(start + a_line, shown))
        for line in _lines(sequence, rows, part, cell, margin):
            console.print(line, no_wrap=True, crop=True, highlight=False)
    if shown < L:
        console.print(Text(f"  … {L - shown} more steps"))
    if sequence.answer is not None:
        console.print(Text(f"  {'target':<{margin - 2}}") + Text(sequence.answer, _WANTED))


def _lines(
    sequence: SequenceTracks, rows: list[tuple[str, list[str], bool]], part: slice, cell: int, margin: int
) -> Iterator[Text]:
    cues = sequence.cues[part].tolist()
    marked = False
    for name, cells, wanted in rows:
        if wanted and any(cues) and not marked:
            marked = True
            yield _cue_line(cues, cell, margin)
        line = Text(f"  {name:<{margin - 2}}")
        for text, cue in zip(cells[part], cues, strict=True):
            line.append(f"{text:<{cell}}", _WANTED if wanted else _CUE if cue else "")
        yield line
    if any(cues) and not marked:
        yield _cue_line(cues, cell, margin)


def _cue_line(cues: list[bool], cell: int, margin: int) -> Text:
    return Text(" " * margin) + Text("".join(f"{'^' if cue else '':<{cell}}" for cue in cues), _CUE)


def _cells(track: Track) -> list[str]:
    """Return the text of each step."""
    if track.on is not None:
        names = track.symbols
        return ["".join(name for name, on in zip(names, row, strict=True) if on) for row in track.on.tolist()]
    assert track.values is not None
    values = track.values.tolist()
    different = {value for value in values if not math.isnan(value)}  # NaN is a step without a value
    if different <= {-1.0, 0.0, 1.0}:
        return [{-1.0: "−", 0.0: "·", 1.0: "1"}.get(value, " ") for value in values]
    low, high = min(different), max(different)
    scale = (len(_BARS) - 1) / ((high - low) or 1.0)
    return [_BARS[round((value - low) * scale)] if not math.isnan(value) else " " for value in values]
