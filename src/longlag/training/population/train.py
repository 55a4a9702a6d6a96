"""Train the runs of a grid as one batch."""

from collections.abc import Callable, Iterator

from longlag.runs import Status
from longlag.training.callbacks.stopping import StopRequest
from longlag.training.population.backend import Backend
from longlag.training.population.member import Member
from longlag.training.population.module import PopulationModule
from longlag.training.population.population import Population
from longlag.training.run import train_parts
from longlag.training.run_parts import RunParts
from longlag.training.train_log import silenced


def train_population(
    arriving: Iterator[RunParts],
    at_once: int,
    request: StopRequest,
    ended: Callable[[RunParts, Status], None],
    progress: Callable[[Population], None] = lambda population: None,
) -> None:
    """Train runs that differ only in what a member of a population has of its own, each as if it were alone.

    An exception in one run ends that run alone, and its status says so.

    Args:
        arriving: the runs, whose folders are claimed; the next one is taken when there is room.
        at_once: the most members at once.
        request: to stop: then every member saves a checkpoint and ends as ``interrupted``.
        ended: called as each member ends, with the status that its folder has.
        progress: called after each step of the members.

    """
    first = next(arriving, None)
    if first is None:
        return
    backend = Backend.of(first.model.engines[0].name, first.plan.arguments)
    population = Population(_with(first, arriving), at_once, ended, backend)
    population.fill()
    if not population.members:
        return
    module = PopulationModule(population, request, progress)
    changes = {"max_steps": -1, "val_check_interval": None, "limit_val_batches": 0, "enable_checkpointing": False}
    # each member clips its own gradients, and has its own type of number
    own = {"gradient_clip_val": None, "gradient_clip_algorithm": None, "precision": "32-true"}
    try:
        with silenced():
            first.plan.make_trainer([], [], **changes, **own).fit(module)
    except (Exception, KeyboardInterrupt, SystemExit) as error:
        population.end_all(error)
        if not isinstance(error, Exception):
            raise


def train_alone(parts: RunParts, request: StopRequest) -> Status:
    """Train a run by itself, as :func:`longlag.training.run.train_parts`; on-line, as a population of one."""
    if not parts.plan.online:
        return train_parts(parts, request)
    ended: list[Status] = []
    bar = _Bar(parts)
    try:
        train_population(iter([parts]), 1, request, lambda _, status: ended.append(status), bar.move)
    finally:
        bar.end()
    (status,) = ended
    return status


class _Bar:
    """The progress bar of a population of one.

    Args:
        parts: of the run.

    """

    def __init__(self, parts: RunParts) -> None:
        self._progress = parts.progress
        self._member: Member | None = None

    def move(self, population: Population) -> None:
        """Move the bar; the first time, start it."""
        for member in population.members:
            if self._member is None:
                self._progress.on_train_start(member.trainer, member.own_module)
            self._member = member
            self._progress.on_train_batch_end(member.trainer, member.own_module)

    def end(self) -> None:
        """Take the bar away."""
        if self._member is not None:
            self._progress.on_train_end(self._member.trainer, self._member.own_module)


def _with(first: RunParts, others: Iterator[RunParts]) -> Iterator[RunParts]:
    yield first
    yield from others
