"""The parts of W&B that longlag uses beside its documented interface; a test of the same name holds them."""

import atexit
import contextlib
import functools
import importlib.metadata
import os
import shutil
import struct
import tempfile
from collections.abc import Iterable, Iterator
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


@contextlib.contextmanager
def packages_listed_once() -> Iterator[None]:
    """Start a W&B run with the list of installed packages of the first one: making it takes longer than all else."""
    import wandb.util

    before = wandb.util.working_set
    wandb.util.working_set = _packages
    try:
        yield
    finally:
        wandb.util.working_set = before


@functools.cache
def _packages() -> "list[wandb.util.InstalledDistribution]":
    from wandb.util import InstalledDistribution

    there = ((each.metadata["Name"], each.version) for each in importlib.metadata.distributions())
    return [InstalledDistribution(name, version) for name, version in there if name and version]


def quiet_settings(**settings: Any) -> "wandb.Settings":
    """Return settings of a W&B run that captures no output and measures no machine.

    Args:
        settings: further ones.

    """
    import wandb

    return wandb.Settings(console="off", x_disable_stats=True, **settings)


def last_step(files: Iterable[bytes]) -> int | None:
    """Return the last step of which the offline files of a run have a row; ``None`` if they have none.

    A file that was cut off counts as far as it goes. It is a log of LevelDB with a record of Protocol Buffers in each
    entry.

    Args:
        files: the contents of the files.

    """
    from wandb.proto.wandb_internal_pb2 import Record  # type: ignore[attr-defined]

    last = None
    for content in files:
        for entry in _entries(content):
            record = Record()
            try:
                record.ParseFromString(entry)
            except Exception:  # what Protocol Buffers raises has no public name
                break
            for item in record.history.item if record.WhichOneof("record_type") == "history" else ():
                if item.key == "_step" or list(item.nested_key) == ["_step"]:
                    last = max(-1 if last is None else last, int(item.value_json))
    return last


def _entries(data: bytes) -> Iterator[bytes]:
    """Yield the whole entries of a log of LevelDB, which lie in blocks of 32 KiB, in one piece or in several."""
    header, block = struct.Struct("<IHB"), 2**15  # a checksum, a length, and whether the piece ends its entry
    at, entry = header.size, b""  # the file has a header of the same size
    while at + header.size <= len(data):
        room = block - at % block
        _, length, kind = header.unpack_from(data, at) if room >= header.size else (0, 0, 0)
        if kind == 0:  # the rest of the block is empty
            at += room
            continue
        at += header.size
        if at + length > len(data):
            return
        entry += data[at : at + length]
        at += length
        if kind in (1, 4):  # the whole entry, or its last piece
            yield entry
            entry = b""


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
