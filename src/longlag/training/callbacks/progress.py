"""The progress bar of a run."""

import time

from lightning import LightningModule, Trainer
from lightning.pytorch.callbacks import Callback
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from longlag.terminal import shortened
from longlag.training.module import SequenceModule

_WIDE = 110  # columns; on a narrower terminal the steps and figures need the room of the bar
_FIGURES = (("loss", "train/loss", ".4f"), ("val acc", "val/acc", ".3f"))
_LEAST_TITLE = 20  # columns; where fewer are left, the figures go
_LINE_EVERY_S = 15.0  # on a file or a pipe, a run that takes longer than this writes a line now and then


class ProgressBar(Callback):
    """Draw a bar with the step, the loss, the accuracy and the time left; write lines to a file or a pipe.

    On a narrow terminal, the bar goes first, then the loss; then the middle of the title is cut, and last the accuracy
    goes. The step and the time stay.

    Args:
        title: names the run.
        console: where to draw.

    """

    def __init__(self, title: str, console: Console) -> None:
        self.title = title
        self.console = console
        self._bar: Progress | None = None
        self._shown = len(_FIGURES)
        self._last_line = 0.0

    def on_train_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Start the bar."""
        self._last_line = time.monotonic()
        if not trainer.is_global_zero or not self.console.is_terminal:
            return
        total = trainer.max_steps if trainer.max_steps > 0 else None
        bar = [BarColumn(bar_width=24)] if self.console.width >= _WIDE else []
        room = self.console.width - len(f" {total}/{total}  0:00:00") - 25 * len(bar)
        title, self._shown = _fitted(self.title, room)
        self._bar = Progress(
            TextColumn("{task.description}", markup=False),
            *bar,
            MofNCompleteColumn(),
            TextColumn("{task.fields[figures]}"),
            TimeRemainingColumn(compact=True),
            console=self.console,
            transient=True,
            refresh_per_second=4,
        )
        self._bar.add_task(title, total=total, completed=trainer.global_step, figures="")
        self._bar.start()

    def on_train_batch_end(self, trainer: Trainer, pl_module: LightningModule, *_: object) -> None:
        """Move the bar."""
        if self._bar is not None:
            self._bar.update(
                self._bar.task_ids[0], completed=trainer.global_step, figures=_figures(pl_module, self._shown)
            )
        elif trainer.is_global_zero and time.monotonic() - self._last_line > _LINE_EVERY_S:
            self._last_line = time.monotonic()
            self.console.print(
                f"{self.title}: step {trainer.global_step}/{trainer.max_steps} {_figures(pl_module, len(_FIGURES))}",
                highlight=False,
                markup=False,
            )

    def on_train_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Take the bar away."""
        self._stop()

    def on_exception(self, trainer: Trainer, pl_module: LightningModule, exception: BaseException) -> None:
        """Take the bar away."""
        self._stop()

    def _stop(self) -> None:
        if self._bar is not None:
            self._bar.stop()
            self._bar = None


def _fitted(title: str, room: int) -> tuple[str, int]:
    """Return a title and how many figures stand beside it, the last ones, in so many columns."""
    widths = [len(f"{label} {0:{form}}") + 2 for label, _, form in _FIGURES]
    for shown in range(len(widths), 0, -1):
        left = room - sum(widths[-shown:])
        if left >= len(title):
            return title, shown
    shown = int(room - widths[-1] >= _LEAST_TITLE)
    return shortened(title, room - shown * widths[-1]), shown


def _figures(module: LightningModule, shown: int) -> str:
    assert isinstance(module, SequenceModule)
    figures = _FIGURES[len(_FIGURES) - shown :]
    return "  ".join(f"{label} {module.measured[key]:{form}}" for label, key, form in figures if key in module.measured)
