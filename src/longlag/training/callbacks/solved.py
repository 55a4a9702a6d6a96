"""Record when a run is solved: the steps and the training sequences until then."""

from lightning import LightningModule, Trainer
from lightning.pytorch.callbacks import Callback

from longlag.training.module import SequenceModule


class Solved(Callback):
    """Record the first validation at which the task's criterion is met, and end the run there if ``stop`` is set.

    Args:
        stop: whether training ends when the task is solved.

    """

    def __init__(self, stop: bool = True) -> None:
        self.stop = stop
        self.step: int | None = None
        """The optimizer steps taken until then; ``None`` while unsolved."""
        self.sequences: int | None = None
        """The training sequences seen until then, over all devices."""

    def on_train_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Take no further step in a resumed run that had been solved."""
        trainer.should_stop = self.step is not None and self.stop

    def on_train_batch_end(self, trainer: Trainer, pl_module: LightningModule, *_: object) -> None:
        """Stop after the last step: Lightning then validates it, whatever the interval."""
        if trainer.global_step >= trainer.max_steps:
            trainer.should_stop = True

    def on_validation_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Ask the task whether the figures of this validation count as solved."""
        assert isinstance(pl_module, SequenceModule)
        if self.step is None and pl_module.task.solved(pl_module.measured):
            self.step, self.sequences = trainer.global_step, pl_module.sequences
        if self.step is not None and self.stop:
            trainer.should_stop = True

    def state_dict(self) -> dict[str, int | None]:
        """Return the step and the sequences of the solution, for a resumed run."""
        return {"step": self.step, "sequences": self.sequences}

    def load_state_dict(self, state_dict: dict[str, int | None]) -> None:
        """Restore the step and the sequences of the solution."""
        self.step, self.sequences = state_dict["step"], state_dict["sequences"]
