"""A run, read back from its folder: settings, task, trained model, status and figures."""

from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from longlag.errors import RequestError
from longlag.runs import DamagedRunError, RunFolder, RunRecord, Status, whole_run

if TYPE_CHECKING:
    from longlag.model import SequenceModel
    from longlag.settings.build import Components
    from longlag.task import Task

#: ``best``: of the best validation accuracy; ``last``: of the last checkpoint; ``init``: before training.
Checkpoint = Literal["best", "last", "init"]
#: The keys from which the task and the model are made.
_NEEDED = ("cell", "task", "init", "model", "engine", "seed", "run")


@dataclass(frozen=True, eq=False)
class Run:
    """A run, as its folder tells.

    Args:
        record: what was read from the folder.
        trust: whether the task and the model may be made of classes of other packages than longlag, torch, torchmetrics
            and lightning, if the folder names some.

    """

    record: RunRecord
    trust: bool = False

    @property
    def path(self) -> Path:
        """The folder."""
        return self.record.folder.path

    @property
    def settings(self) -> dict[str, Any]:
        """The settings, as :func:`longlag.compose` returns them."""
        return self.record.config

    @property
    def status(self) -> Status:
        """The status when the folder was read: ``status.state`` is running, solved, done, diverged, …."""
        return self.record.status

    @property
    def summary(self) -> dict[str, Any]:
        """The figures of the whole run, such as ``summary["test/acc"]``; empty until it has ended."""
        return self.record.summary

    @cached_property
    def task(self) -> "Task":
        """The task, made from the settings.

        Raises:
            RequestError: it cannot be made, or the folder names a class that needs the reader's word.

        """
        from longlag.settings.build import build_task

        return build_task(*self._values_and_parts)

    def task_at(self, T: int) -> "Task":
        """Make the task at another lag, on which the trained model can be tested.

        Args:
            T: the lag.

        Raises:
            RequestError: the task does not take it, or has other inputs or outputs there.

        """
        from longlag.settings.build import build_task

        values, parts = self._values_and_parts
        task = build_task({**values, "task": {**values["task"], "T": T}}, parts)
        for name in ("input_size", "output_size"):
            own, other = getattr(self.task, name), getattr(task, name)
            if own != other:
                raise RequestError(f"task.T={T} changes the task's {name} from {own} to {other}: the model cannot run")
        return task

    @cached_property
    def _values_and_parts(self) -> "tuple[dict[str, Any], Components]":
        """The settings with the values of environment variables, and the classes that they name; nothing is called."""
        from longlag.settings.build import components_of
        from longlag.settings.stored import trusted_values

        how = None if self.trust else "say --trust or load_run(folder, trust=True)"
        values = trusted_values(self.settings, self.path, how, _NEEDED)
        made = {key: value for key, value in values.items() if key in ("cell", "task", "init", "engine")}
        return values, components_of(made)

    def model(self, checkpoint: Checkpoint = "best") -> "SequenceModel":
        """Make the model with the weights of a checkpoint, on the CPU, in evaluation mode.

        ::

            batch = run.task.draw("test", 0, 8)
            outputs = run.model("best")(batch.inputs, batch.lengths)  # [8, O] or [8, L, O]

        Args:
            checkpoint: ``best``, ``last``, or ``init`` for the weights of the seed, before training.

        Raises:
            RequestError: there is no such checkpoint, it does not fit, or the folder names a class that needs the
                reader's word.

        """
        import lightning
        from lightning.pytorch.utilities.seed import isolate_rng

        from longlag.settings.build import build_model

        values, parts = self._values_and_parts
        with isolate_rng():
            lightning.seed_everything(values["seed"], verbose=False)  # as a run does
            model = build_model(values, self.task, parts).eval()
        if checkpoint != "init":
            stored = self._read(checkpoint)
            weights = {key.removeprefix("model."): value for key, value in stored["state_dict"].items()}
            try:
                model.load_state_dict(weights)
            except RuntimeError as error:
                raise self._unusable(checkpoint, error) from error
        return model

    def step(self, checkpoint: Checkpoint = "best") -> int | None:
        """Return the optimizer steps that the weights of a checkpoint have seen; ``None`` for ``init``.

        Raises:
            RequestError: there is no such checkpoint, or it cannot be read.

        """
        return None if checkpoint == "init" else int(self._read(checkpoint)["global_step"])

    def __repr__(self) -> str:
        """Return where the run is and in which state."""
        return f"Run({str(self.path)!r}, {self.status.state})"

    def _read(self, checkpoint: str) -> dict[str, Any]:
        from longlag.training.checkpoint import read_checkpoint

        path = self._file(checkpoint)
        self.record.folder.check_places()
        try:
            return read_checkpoint(path)
        except FileNotFoundError:
            start = "the checkpoint init is the weights with which the run started"
            raise RequestError(f"there is no {path}; {start}") from None

    def _file(self, checkpoint: str) -> Path:
        if checkpoint not in ("best", "last"):
            raise RequestError(f"checkpoint must be best, last or init, got {checkpoint!r}")
        return self.record.folder.checkpoints / f"{checkpoint}.ckpt"

    def _unusable(self, checkpoint: str, error: Exception) -> RequestError:
        return RequestError(f"cannot use {self._file(checkpoint)}: {type(error).__name__}: {error}"[:300])


def load_run(folder: str | Path, trust: bool = False) -> Run:
    """Read a run from its folder.

    ::

        run = longlag.load_run("outputs/first/lstm-delayed_xor-T60-b1-seed0-1a2b3c4d")

    Nothing of the run is executed: its task and its model are made when they are asked for, of the classes that the
    folder names.

    Args:
        folder: the run's folder.
        trust: whether these may be classes of other packages than longlag, torch, torchmetrics and lightning: such a
            class can run any code, so say so of your own runs and those of people you trust. Settings of a run that you
            hand to :func:`longlag.train` or :func:`longlag.build_model` are your own word.

    Raises:
        RequestError: the folder holds no run.

    """
    place = RunFolder(Path(folder))
    try:
        settings = place.read_config()
    except DamagedRunError as error:
        inside = sorted(path.parent for path in place.path.glob("*/config.yaml"))
        hint = f"; name one of its runs, such as {inside[0]}" if inside else ""
        raise RequestError(f"{error}{hint}") from error
    for key in _NEEDED:
        if key not in settings:
            raise RequestError(f"the config.yaml in {place.path} has no {key}: a run of this version has one")
    return Run(whole_run(place.path), trust)
