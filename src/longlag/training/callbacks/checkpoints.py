"""Save the checkpoints of a run: the best weights, and the last ones."""

from lightning import LightningModule, Trainer
from lightning.pytorch.callbacks import Checkpoint

from longlag.runs import RunFolder
from longlag.training.module import SequenceModule


class Checkpoints(Checkpoint):
    """Save ``last.ckpt`` at every validation, and ``best.ckpt`` at each with a better accuracy than all before.

    Args:
        folder: of the run.

    """

    def __init__(self, folder: RunFolder) -> None:
        self.folder = folder
        self.best: float | None = None
        """The best validation accuracy; ``None`` before the first validation."""

    def improved(self, accuracy: float) -> bool:
        """Take the accuracy of a validation, and return whether none before was as good."""
        if self.best is not None and not accuracy > self.best:
            return False
        self.best = accuracy
        return True

    def on_validation_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Save."""
        if trainer.sanity_checking:
            return
        assert isinstance(pl_module, SequenceModule)
        if self.improved(pl_module.measured["val/acc"]):
            trainer.save_checkpoint(self.folder.best_checkpoint, weights_only=False)
        trainer.save_checkpoint(self.folder.last_checkpoint, weights_only=False)

    def state_dict(self) -> dict[str, float | None]:
        """Return the best accuracy, for a resumed run."""
        return {"best": self.best}

    def load_state_dict(self, state_dict: dict[str, float | None]) -> None:
        """Restore the best accuracy."""
        self.best = state_dict["best"]
