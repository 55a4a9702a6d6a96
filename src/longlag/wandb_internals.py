"""The parts of W&B that longlag uses beside its documented interface; a test of the same name holds them."""

import atexit
import contextlib
import os
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import wandb

# W&B is imported inside of the functions: the import takes a second


#: With one of these in the environment W&B would choose the run by itself; a run folder has one W&B run.
_FOREIGN = ("WANDB_SWEEP_ID", "WANDB_LAUNCH", "WANDB_RUN_ID", "WANDB_RESUME")


def switched_off() -> bool:
    """Return whether the environment switches W&B off."""
    disabled = os.environ.get("WANDB_DISABLED", "").lower() in ("1", "true", "yes")
    return disabled or os.environ.get("WANDB_MODE", "").lower() == "disabled"


@contextlib.contextmanager
def own_environment() -> Iterator[None]:
    """Start W&B in an environment that does not choose the run, and with a home folder even for a user who has none.

    The home is temporary then, and private: W&B reads settings and keys there.
    """
    hidden = {name: os.environ.pop(name) for name in _FOREIGN if name in os.environ}
    try:
        Path.home()
    except RuntimeError:
        home = tempfile.mkdtemp(prefix="longlag-home-")
        atexit.register(shutil.rmtree, home, ignore_errors=True)
        os.environ["HOME"] = home
    try:
        yield
    finally:
        os.environ.update(hidden)


def quiet_settings(**settings: Any) -> "wandb.Settings":
    """Return settings of a W&B run that captures no output and measures no machine.

    Args:
        settings: further ones.

    """
    import wandb

    return wandb.Settings(console="off", x_disable_stats=True, **settings)


def api_key(url: str) -> str | None:
    """Return the key for a server from the environment or from ``wandb login``; ``None`` if there is none.

    Raises:
        wandb.Error: the server refuses the key.

    """
    from wandb.sdk.lib import wbauth

    key: str | None = wbauth.authenticate_session(host=url, source="longlag publish", no_offline=True, prompt=False)  # type: ignore[assignment]
    return key


def fix_names(workspace: Any, name: str, runs: str, panels: dict[tuple[str, int], str]) -> None:
    """Give a workspace fixed names, for which the library would draw random ones.

    Args:
        workspace: of wandb_workspaces.
        name: of the view.
        runs: of the set of runs.
        panels: of each panel, by the name of its section and its number in the section.

    """
    for section in workspace.sections:
        for number, panel in enumerate(section.panels):
            panel._id = panels[section.name, number]
    workspace._internal_name = f"nw-{name}-v"
    workspace._internal_runset_id = runs


def as_sent(workspace: Any) -> str:
    """Return a workspace as the JSON text that W&B receives."""
    text: str = workspace._to_model().model_dump_json(by_alias=True, exclude_none=True)
    return text


def replace_view(workspace: Any) -> None:
    """Let a workspace replace the view of its name when it is saved, if W&B has one."""
    from wandb_workspaces.workspaces.internal import get_view_dict

    name = workspace._internal_name.removeprefix("nw-").removesuffix("-v")
    try:
        workspace._internal_id = get_view_dict(workspace.entity, workspace.project, name)["id"]
    except ValueError:
        workspace._internal_id = ""  # W&B has none
