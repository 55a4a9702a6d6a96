"""What a job does with the run in its folder: run it, go on with it, or leave it as it is."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

from longlag.runs import DamagedRunError, RunFolder, Status


@dataclass(frozen=True)
class NextAction:
    """What a job does with its run.

    Args:
        kind: ``run`` starts it, ``resume`` goes on with it from its last checkpoint, ``skip`` leaves it as it is.
        state: the state that the run is in; empty if there is none.
        from_step: the step that ``resume`` starts from, for a run that had ended; ``None`` for one that was cut.

    """

    kind: Literal["run", "resume", "skip"]
    state: str = ""
    from_step: int | None = None


def next_action(settings: Mapping[str, Any], folder: RunFolder, fresh: bool = False) -> NextAction:
    """Return what a job does with the run in its folder.

    The budget is no part of a run's identity: a run that used all its steps goes on when more steps are asked for, and
    a run that stopped when it was solved goes on when ``stop_when_solved`` is false. With a budget that the run has
    used already, there is nothing to do.

    Args:
        settings: those of the job.
        folder: where the run is.
        fresh: whether a run that is there is set aside.

    Raises:
        DamagedRunError: the run in the folder cannot be read, and is not to be set aside.

    """
    if fresh:
        return NextAction("run", _state(folder))
    try:
        folder.check_content()
    except DamagedRunError as error:
        raise DamagedRunError(f"{error}; fresh=true sets the folder aside") from error
    status = folder.read_status()
    if status is None:
        return NextAction("run")
    if status.finished and _used_up(settings, folder, status):
        return NextAction("skip", status.state)
    if not folder.last_checkpoint.exists():
        return NextAction("run", status.state)
    return NextAction("resume", status.state, status.step if status.finished else None)


def _state(folder: RunFolder) -> str:
    """Return the state of the run in a folder; empty if there is none that can be read."""
    try:
        status = folder.read_status()
    except DamagedRunError:
        return "damaged"
    return "" if status is None else status.state


def _used_up(settings: Mapping[str, Any], folder: RunFolder, status: Status) -> bool:
    """Say whether a run that has ended has nothing left to do within the budget of a job."""
    if status.state == "diverged":
        return True
    solved = status.state == "solved" or folder.read_summary().get("solved_step") is not None
    return bool((solved and settings["stop_when_solved"]) or status.step >= settings["trainer"]["max_steps"])
