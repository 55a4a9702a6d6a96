"""The model, the Trainer and the callbacks of a run, which can be built before its turn comes."""

import random

import lightning
import numpy as np
import torch
from lightning import Trainer
from lightning.pytorch.callbacks import Callback, Timer
from lightning.pytorch.utilities.seed import isolate_rng
from rich.console import Console

from longlag.model import SequenceModel
from longlag.training.callbacks.checkpoints import Checkpoints
from longlag.training.callbacks.progress import ProgressBar
from longlag.training.callbacks.segments import Segments
from longlag.training.callbacks.solved import Solved
from longlag.training.callbacks.stopping import StopRequest, StopWhenAsked
from longlag.training.run_plan import RunPlan


class RunParts:
    """The parts of a run.

    Building them draws nothing from the random generators of the process: the model is built from the run's seed, and
    :meth:`seed` brings the generators to the state after it.

    Args:
        plan: of the run.

    """

    def __init__(self, plan: RunPlan) -> None:
        self.plan = plan
        self.stop = StopWhenAsked(StopRequest(), plan.folder, plan.max_time)
        self.solved = Solved(stop=plan.stop_when_solved)
        self.timer = Timer()
        self.segments = Segments()
        self.progress = ProgressBar(plan.place + plan.title, plan.console)
        self.checkpoints = Checkpoints(plan.folder)
        self._model: SequenceModel | None = None
        self._trainer: Trainer | None = None

    @property
    def model(self) -> SequenceModel:
        """The model, built at the first use."""
        if self._model is None:
            with isolate_rng(include_cuda=False):
                lightning.seed_everything(self.plan.seed, verbose=False)
                self._model = self.plan.model()
                self._random = torch.get_rng_state(), np.random.get_state(), random.getstate()
        return self._model

    @property
    def trainer(self) -> Trainer:
        """The Trainer with all callbacks and without a logger, built at the first use."""
        if self._trainer is None:
            probe: list[Callback] = [] if self.plan.probe is None else [self.plan.probe]
            first: list[Callback] = [self.stop, self.solved, self.timer, self.segments, self.progress, self.checkpoints]
            self._trainer = self.plan.make_trainer([], [*first, *probe, *self.plan.callbacks])
        return self._trainer

    def show_progress(self, console: Console, place: str) -> None:
        """Draw the progress on a console, with the job's place in a grid before the title."""
        self.progress.console, self.progress.title = console, place + self.plan.title

    def forget_trainer(self) -> None:
        """Have the Trainer built again at the next use."""
        self._trainer = None

    def seed(self) -> None:
        """Seed the random generators, and bring them to the state after the building of the model."""
        assert self._model is not None
        lightning.seed_everything(self.plan.seed, verbose=False)
        of_torch, of_numpy, of_python = self._random
        torch.set_rng_state(of_torch)
        np.random.set_state(of_numpy)
        random.setstate(of_python)
