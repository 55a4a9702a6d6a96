"""The LightningModule of a population, so that devices, precision and signals are those of Lightning."""

from collections.abc import Callable, Iterator
from itertools import count

from lightning import LightningModule

from longlag.training.callbacks.stopping import StopRequest
from longlag.training.population.population import Population


class Rounds:
    """The numbers of the rounds, without end: the loader of a population, whose members draw their own batches."""

    def __iter__(self) -> Iterator[int]:
        return count()


class PopulationModule(LightningModule):
    """Train a population: each training step is a step of every member, by manual optimization.

    Args:
        population: the members.
        request: to stop.
        progress: called after each round.

    """

    def __init__(self, population: Population, request: StopRequest, progress: Callable[[Population], None]) -> None:
        super().__init__()
        self.automatic_optimization = False
        self.population = population
        self._request = request
        self._progress = progress

    def configure_optimizers(self) -> None:
        """Return nothing: each member has an optimizer of its own."""

    def train_dataloader(self) -> Rounds:
        """Return the numbers of the rounds."""
        return Rounds()

    def on_train_start(self) -> None:
        """Handle the signals again: Lightning's own handler for SIGTERM would end a round in the middle."""
        if self._request.by is None:
            self._request.listen()

    def training_step(self, batch: int, batch_idx: int) -> None:
        """Take a step with every member; stop when there is none left, or when asked to."""
        population = self.population
        if population.members:
            population.step()
        if self._request.by is not None:
            population.end_all()
        else:
            population.fill()
        self._progress(population)
        if not population.members:
            self.trainer.should_stop = True
