"""The progress of a grid: one display for all jobs and populations in a terminal, lines on a file or a pipe."""

import time
from collections import Counter
from collections.abc import Callable, Sequence
from types import TracebackType
from typing import Self

from rich.console import Console, Group, RenderableType
from rich.live import Live
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

from longlag.launch.grid_rows import PopulationRow, Row
from longlag.runs import in_words
from longlag.terminal import duration, print_line, shortened

_DRAWN_EVERY_S = 0.2
_LINE_EVERY_S = 30.0  # on a file or a pipe
_WIDE, _NARROW = 90, 60  # columns: below the first, rows have no bar; below the second, no accuracy
_BAR, _ROW_BAR = 30, 16  # columns of the bars
_SHOWN = ("solved", "done", "diverged", "failed", "refused", "interrupted", "paused", "skipped", "repeated")
_CALLED = {"done": in_words("done"), "skipped": "ran before"}
_RAN = ("solved", "done", "diverged")


class GridDisplay:
    """In a terminal, a bar for the grid and a line for each job or population; elsewhere, a line now and then.

    Args:
        console: where to draw.
        total: the number of jobs.
        slots: the most jobs or populations at once.
        clock: returns the time in seconds.

    """

    def __init__(self, console: Console, total: int, slots: int, clock: Callable[[], float] = time.monotonic) -> None:
        self.console = console
        self.total = total
        self.slots = slots
        self.ended: Counter[str] = Counter()
        self._rows: dict[int, Row | PopulationRow] = {}  # by the number of the first job
        self._row_of: dict[int, int] = {}
        self._first_begun: float | None = None
        self._populations = False
        self._seconds: list[float] = []
        self._clock = clock
        self._drawn = clock()
        self._live: Live | None = None

    def __enter__(self) -> Self:
        """Start to draw."""
        if self.console.is_terminal:
            self._live = Live(console=self.console, auto_refresh=False, transient=True)
            self._live.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Take the display away."""
        if self._live is not None:
            self._live.stop()
            self._live = None
        self._rows.clear()
        self._row_of.clear()

    def begin(self, numbers: Sequence[int], title: str) -> None:
        """Add a job that begins, or the jobs of a population, which are one line."""
        begun = self._clock()
        alone = len(numbers) == 1
        members = {number: Row("", begun) for number in numbers}
        self._rows[numbers[0]] = Row(title, begun) if alone else PopulationRow(title, begun, members)
        self._row_of |= dict.fromkeys(numbers, numbers[0])
        self._populations |= not alone
        self._first_begun = begun if self._first_begun is None else self._first_begun

    def move(self, number: int, step: int, steps: int, accuracy: float | None) -> None:
        """Update the step of a job."""
        self._rows[self._row_of[number]].move(number, step, steps, accuracy)

    def end(self, number: int, how: str) -> None:
        """Count a job that has ended, or does not run."""
        self.ended[how] += 1
        first = self._row_of.pop(number, None)
        if first is None:  # it has not begun
            return
        row = self._rows[first]
        if how in _RAN:
            self._seconds.append(self._clock() - row.begun)
        if row.end(number, how):
            del self._rows[first]

    def say(self, line: str) -> None:
        """Print a line, above the display."""
        print_line(self.console, line)

    def tick(self) -> None:
        """Draw again, unless the last drawing is recent."""
        every = _LINE_EVERY_S if self._live is None else _DRAWN_EVERY_S
        if self._clock() - self._drawn < every:
            return
        self._drawn = self._clock()
        if self._live is not None:
            self._live.update(self._picture(), refresh=True)
        elif self._rows:
            going = "; ".join(f"{row.title}: {row.figures()}" for row in self._rows.values())
            self.say(f"grid: {self.summary()}; at {going}")

    def summary(self) -> str:
        """Return the progress of the grid in words."""
        counts = [f"{self.ended[how]} {_CALLED.get(how, how)}" for how in _SHOWN if self.ended[how]]
        left = self.seconds_left()
        time_left = [] if left is None else [f"{duration(left)} left"]
        return ", ".join([f"{self.ended.total()}/{self.total} jobs", *counts, *time_left])

    def seconds_left(self) -> float | None:
        """Estimate the time left from the runs that have ended; ``None`` if none has."""
        if not self._seconds or self.total <= self.ended.total():
            return None
        if self._populations:
            return self._seconds_at_this_rate()
        each = sum(self._seconds) / len(self._seconds)
        going = [1.0 - row.share for row in self._rows.values()]
        waiting = self.total - self.ended.total() - len(going)
        return each * max((waiting + sum(going)) / self.slots, *going, 0.0)

    def _seconds_at_this_rate(self) -> float:
        """Return the time left if the steps go on as they have gone so far, whatever trains beside whatever."""
        assert self._first_begun is not None
        going = sum(share for row in self._rows.values() for share in row.going())
        done = len(self._seconds) + going
        return (self._clock() - self._first_begun) * (self.total - self.ended.total() - going) / done

    def _picture(self) -> RenderableType:
        wide = self.console.width >= _WIDE
        done = ProgressBar(total=max(1, self.total), completed=self.ended.total(), width=_BAR if wide else None)
        whole, summary = Table.grid(padding=(0, 1)), Text(self.summary())
        if wide:
            whole.add_row(done, summary)
        else:  # below each other
            whole.add_row(done)
            whole.add_row(summary)
        return Group(whole, self._jobs(wide))

    def _jobs(self, wide: bool) -> Table:
        figures = {number: row.figures(self.console.width >= _NARROW) for number, row in self._rows.items()}
        room = self.console.width - max(map(len, figures.values()), default=0) - 1 - (_ROW_BAR + 1 if wide else 0)
        jobs = Table.grid(padding=(0, 1), expand=True)
        jobs.add_column(ratio=1, no_wrap=True)
        for _ in range(2 if wide else 1):
            jobs.add_column(no_wrap=True)
        for number, row in self._rows.items():
            title, shown = Text(shortened(row.title, room)), Text(figures[number])
            if wide:
                bar = ProgressBar(total=1.0, completed=row.share, width=_ROW_BAR) if row.moving else Text("")
                jobs.add_row(title, bar, shown)
            else:
                jobs.add_row(title, shown)
        return jobs
