"""The look of the figures, for the column of a paper and for colour-blind readers, and how they are saved."""

import io
import math
import textwrap
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.layout_engine import ConstrainedLayoutEngine
from matplotlib.lines import Line2D

from longlag.runs.files import write_whole

#: The colours of Okabe & Ito 2008 that show on white; each has a dash too, so that lines differ without colour.
COLOURS = ("#0072b2", "#d55e00", "#009e73", "#cc79a7", "#56b4e9", "#e69f00", "#000000")
DASHES: tuple[Any, ...] = ("-", (0, (5, 1.5)), (0, (1.5, 0.8)), (0, (5, 1, 1, 1)), (0, (3, 1, 1, 1, 1, 1)))
_LETTERS = 19  # of the small print in an inch
_TITLE_LETTERS, _LEGEND_LETTERS = 13, 14  # of a title and of the legend in an inch
_BESIDE = 16  # letters; a legend with longer names stands below the figure
_NARROW = 4.2  # inches; in a figure that is not wider, each legend does
_MOST_PIXELS = 30_000  # in height or width; a figure with very many panels gets fewer dots per inch
MAP = "cividis"
GREY, PALE = "#5f6670", "#e4e6ea"
WIDTH, DOTS = 5.5, 300  # inches, the width of a page's text; dots per inch

#: matplotlib's settings, for all figures.
STYLE: dict[str, Any] = {
    "font.size": 8,
    "axes.titlesize": 8,
    "axes.labelsize": 8,
    "xtick.labelsize": 7,
    "ytick.labelsize": 7,
    "legend.fontsize": 7.5,
    "legend.frameon": False,
    "legend.handlelength": 2.6,
    "axes.linewidth": 0.6,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "xtick.major.width": 0.6,
    "ytick.major.width": 0.6,
    "lines.linewidth": 1.3,
    "axes.grid": False,
    "mathtext.default": "regular",
    "pdf.fonttype": 42,  # fonts are embedded as TrueType, so that text stays text
    "svg.hashsalt": "longlag",  # the same figure is the same file
}

#: The formats of :func:`save`, and what their files would say of the time.
FORMATS: dict[str, dict[str, Any]] = {"png": {}, "pdf": {"CreationDate": None}, "svg": {"Date": None}}


@dataclass(frozen=True)
class Layout:
    """How figures are laid out.

    Args:
        width: of each figure, in mm; ``None``: the width of a page's text, or more where the panels need more.
        caption: whether the small print stands in the figure; :func:`caption_of` returns the text in either case.

    """

    width: float | None = None
    caption: bool = True


_PLAIN = Layout()
_layout: ContextVar[Layout] = ContextVar("layout", default=_PLAIN)


@contextmanager
def laid_out(layout: Layout) -> Iterator[None]:
    """While the context lasts, lay new figures out like this."""
    before = _layout.set(layout)
    try:
        yield
    finally:
        _layout.reset(before)


def page_width() -> float:
    """Return the width that a figure has at least, in inches."""
    width = _layout.get().width
    return WIDTH if width is None else width / 25.4


def new_figure(height: float, width: float = WIDTH) -> Figure:
    """Return an empty figure of this size, in inches; a width that the layout names comes first."""
    width = page_width() if _layout.get().width else width
    figure = Figure(figsize=(width, height), dpi=DOTS, layout="constrained")
    FigureCanvasAgg(figure)
    return figure


def look(number: int) -> dict[str, Any]:
    """Return colour and dash of a line; the first 35 numbers all have different ones."""
    turn, colour = divmod(number, len(COLOURS))
    return {"color": COLOURS[colour], "linestyle": DASHES[(colour + turn) % len(DASHES)]}


def legend(
    figure: Figure, x_title: str, names: Sequence[str], title: str, more: Iterable[tuple[str, dict[str, Any]]] = ()
) -> None:
    """Write the title of the horizontal axes, and draw the legend beside the figure.

    The legend stands below the figure if a name is long or the figure narrow.

    Args:
        figure: the figure; it becomes higher by a legend below it.
        x_title: the title.
        names: of the numbered lines; a single one is not named.
        title: the title of the legend.
        more: the names and looks of further lines.

    """
    entries = [(name, look(number)) for number, name in enumerate(names)] if len(names) > 1 else []
    entries += list(more)
    handles, names = [Line2D([], [], **style) for _, style in entries], [name for name, _ in entries]
    longest = max(map(len, names), default=0)
    if longest <= _BESIDE and (not entries or figure.get_figwidth() > _NARROW):
        figure.supxlabel(x_title, fontsize=8)
        if entries:
            figure.legend(handles, names, title=title, loc="outside right center", alignment="left")
        return
    width = figure.get_figwidth()
    across = max(1, min(len(names), int(width / (0.6 + longest / _LEGEND_LETTERS))))
    names = [wrapped(name, int(_LEGEND_LETTERS * (width - 0.8))) for name in names]
    rows = math.ceil(len(names) / across) * (1 + max(name.count("\n") for name in names)) + bool(title)
    room = 0.15 + 0.16 * rows
    height = figure.get_figheight() + room
    figure.set_figheight(height)
    engine = figure.get_layout_engine()
    assert isinstance(engine, ConstrainedLayoutEngine)
    below = (room + 0.17) / height  # the legend and the title; the layout of matplotlib puts one upon the other
    engine.set(rect=(0, below, 1, 1 - below))
    figure.supxlabel(x_title, y=room / height, fontsize=8)
    drawn = figure.legend(handles, names, title=title, loc="lower center", alignment="left", ncols=across)
    drawn.set_in_layout(False)


def broken(text: str, inches: float) -> str:
    """Return a text in lines that fit beside or above a panel of this height or width."""
    return wrapped(text, max(6, int(_TITLE_LETTERS * inches)))


def wrapped(text: str, letters: int) -> str:
    """Return a text in lines of so many letters; a longer word is broken, and a dollar stays escaped."""
    return "\n".join(textwrap.wrap(text.replace(r"\$", "$"), letters)).replace("$", r"\$")


def remark(figure: Figure, text: str) -> None:
    """Write a text in small print above the figure, unless the layout leaves captions out."""
    figure.set_label(text)
    if not _layout.get().caption:
        return
    lines = textwrap.wrap(text, int(_LETTERS * figure.get_figwidth()), break_long_words=False)
    figure.suptitle("\n".join(lines), fontsize=6.5, color=GREY, x=0.005, ha="left")


def caption_of(figure: Figure) -> str:
    """Return the small print of a figure, as text for the caption of a paper."""
    return str(figure.get_label()).replace(r"\$", "$")


def quiet_grid(axis: Axes) -> None:
    """Draw faint lines at the ticks, behind the curves."""
    axis.grid(linewidth=0.4, color=PALE)
    axis.set_axisbelow(True)


def powers_of_ten(axis: Axes, low: float, high: float) -> None:
    """Mark some powers of ten at an axis of log10 values, from ``low`` to ``high``."""
    apart = next(step for step in (1, 2, 5, 10, 20, 50, 100) if (high - low) / step <= 5 or step == 100)
    ticks = range(apart * math.ceil(low / apart), math.floor(high) + 1, apart)
    axis.set_yticks(list(ticks), [f"$10^{{{tick}}}$" for tick in ticks])


def save(figure: Figure, path: Path) -> Path:
    """Write a figure in the format of the path, PNG, PDF or SVG; no reader ever sees half of it."""
    picture, kind = io.BytesIO(), path.suffix[1:]
    dots = min(DOTS, _MOST_PIXELS / max(figure.get_size_inches()))
    figure.savefig(picture, format=kind, dpi=dots, metadata=FORMATS[kind])
    write_whole(path, picture.getvalue())
    return path
