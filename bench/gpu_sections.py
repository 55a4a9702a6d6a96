"""What ``bench/gpu.py`` measures, section by section; each yields its figures one by one, so that none is lost."""

import signal
import statistics
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from itertools import count
from pathlib import Path

from gpu_figures import CUDNN, FLASH, POPULATION, SOLO, Asked, Figure
from gpu_timing import WARM_UP, Watch
from lightning import Callback
from rich.console import Console

from longlag import compose
from longlag.benchmark.contenders import Contender, TritonContender
from longlag.benchmark.contenders.bare_module import BareModule
from longlag.benchmark.contenders.flash_rnn import FlashRNN
from longlag.benchmark.measure import TOLERANCE
from longlag.benchmark.workload import Size, Workload, relative_error
from longlag.cells import LSTMCell
from longlag.runs import RunFolder
from longlag.settings.plan import plan_of
from longlag.training.callbacks.stopping import StopRequest
from longlag.training.population.train import train_population
from longlag.training.run import train_run
from longlag.training.run_parts import RunParts
from longlag.training.run_plan import RunPlan


class NotMeasuredError(Exception):
    """A figure cannot be measured here, or is not worth it; the text says why."""


def recurrence(asked: Asked) -> Iterator[Figure]:
    """Measure the recurrence alone, forward and back: our kernels for all runs at once, and cuDNN run by run."""
    for H in asked.hidden:
        yield _contender(asked, H, 1, SOLO, TritonContender)
        yield _contender(asked, H, 1, CUDNN, BareModule)
        for R in asked.runs:
            yield _contender(asked, H, R, POPULATION, TritonContender)


def flashrnn(asked: Asked) -> Iterator[Figure]:
    """Measure the same by flashrnn, whose heads are the runs; it compiles for each size."""
    for R in asked.runs:
        for H in asked.hidden:
            yield _contender(asked, H, R, FLASH, FlashRNN)


def training(asked: Asked) -> Iterator[Figure]:
    """Measure whole training steps, as Lightning takes them: drawing, recurrence, readout, loss, optimizer."""
    for H in asked.hidden:
        for way, engine in ((SOLO, "triton"), (CUDNN, "torch")):
            yield _figure(H, 1, way, lambda H=H, engine=engine: _alone(asked, H, engine))
        for R in asked.runs:
            yield _figure(H, R, POPULATION, lambda H=H, R=R: _together(asked, H, R))


SECTIONS: dict[str, Callable[[Asked], Iterator[Figure]]] = {
    "recurrence": recurrence,
    "flashrnn": flashrnn,
    "training": training,
}


def _figure(H: int, R: int, way: str, measure: Callable[[], float]) -> Figure:
    """Return a figure; what fails costs itself alone."""
    try:
        return Figure(H, R, way, measure())
    except NotMeasuredError as error:
        return Figure(H, R, way, None, str(error))
    except Exception as error:
        lines = str(error).strip().splitlines() or [""]
        return Figure(H, R, way, None, f"{type(error).__name__}: {lines[0]}"[:200])


def _contender(asked: Asked, H: int, R: int, way: str, kind: type[Contender]) -> Figure:
    def measure() -> float:
        workload = Workload(Size("lstm", H=H, B=asked.B, T=asked.T, R=R), LSTMCell, device=asked.device)
        if (why := kind.refusal(workload)) is not None:
            raise NotMeasuredError(why)
        contender = kind(workload)
        error = max(relative_error(contender.gradients(r), workload.reference(r)) for r in workload.checked_runs())
        if not error <= TOLERANCE:
            raise NotMeasuredError(f"its gradient is off by {error:.1e}")
        taken = Watch(asked.device).microseconds(lambda number: contender.train(number % R), asked.seconds)
        return taken / R if kind.at_once else taken

    return _figure(H, R, way, measure)


def _plans(asked: Asked, H: int, R: int, engine: str, folder: Path) -> list[RunPlan]:
    """Return the plans of R runs that take steps until they are stopped."""
    settings = compose(
        f"cell.hidden_size={H}", f"task.T={asked.T}", f"task.splits.batch_size={asked.B}", f"engine={engine}",
        "task/splits=endless",
        f"trainer={'gpu' if asked.device == 'cuda' else 'cpu'}", "trainer.max_steps=1000000", "stop_when_solved=false",
        "trainer.val_check_interval=1000000", "trainer.log_every_n_steps=1000000", "logger=none", "probe=none",
    )  # fmt: skip
    return [plan_of({**settings, "seed": k}, RunFolder(folder / str(k)), Console(quiet=True)) for k in range(R)]


class _Steps(Callback):
    """Takes the time of each training step, and asks to stop after a while."""

    def __init__(self, asked: Asked) -> None:
        self.request = StopRequest()
        self._watch, self._seconds, self._number = Watch(asked.device), asked.seconds, count()
        self._times: list[float] = []
        self._before = self._until = 0.0

    def on_train_batch_end(self, *_: object) -> None:
        """Take the time of a step."""
        self._watch.wait()
        now = time.monotonic()
        number = next(self._number)
        if number < WARM_UP:
            self._until = now + self._seconds
        else:
            self._times.append(now - self._before)
            if now > self._until:
                self.request.by = signal.SIGTERM
        self._before = now

    @property
    def microseconds(self) -> float:
        """The median of the steps."""
        if not self._times:
            raise NotMeasuredError("no step was taken")
        return 1e6 * statistics.median(self._times)


def _alone(asked: Asked, H: int, engine: str) -> float:
    steps = _Steps(asked)
    with tempfile.TemporaryDirectory() as name:
        (plan,) = _plans(asked, H, 1, engine, Path(name))
        status = train_run(replace(plan, callbacks=[steps]), steps.request)
    if status.state == "failed":
        raise NotMeasuredError(status.reason)
    return steps.microseconds


def _together(asked: Asked, H: int, R: int) -> float:
    steps, failed = _Steps(asked), []
    with tempfile.TemporaryDirectory() as name:
        parts = [RunParts(plan) for plan in _plans(asked, H, R, "triton", Path(name))]
        train_population(
            iter(parts), R, steps.request,
            lambda _, status: failed.append(status.reason) if status.state == "failed" else None,
            lambda population: steps.on_train_batch_end() if population.members else None,
        )  # fmt: skip
    if failed:
        raise NotMeasuredError(failed[0])
    return steps.microseconds / R
