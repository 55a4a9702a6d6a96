"""Where the configuration lies, and what one composed job says."""

import functools
import hashlib
import inspect
import json
import re
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from hydra.utils import get_object
from omegaconf import DictConfig, OmegaConf

from longlag.cli.requests import RequestError

#: What a person says about a command, not about the run: a run is the same run without it.
_NOT_THE_RUN = ("study", "output_dir", "logger", "resume", "fresh", "run")


@functools.cache
def conf_dir() -> Path:
    """Return the folder of the YAML files: the packaged copy if there is one, else the checkout's."""
    package = Path(__file__).resolve().parents[1]
    packaged = package / "conf"
    return packaged if packaged.is_dir() else package.parents[1] / "conf"


def frozen(config: DictConfig, choices: Mapping[str, Any], overrides: Sequence[str]) -> dict[str, Any]:
    """Return the settings of one job: resolved, plain, and with what identifies the run under ``run``.

    ``cell.forget_bias`` of a cell whose constructor takes none is set to ``None``: in a grid over it, such a cell then
    has one and the same run for every value.

    Args:
        config: the composed configuration, without Hydra's own node.
        choices: which option was chosen in which group.
        overrides: what was typed.

    Raises:
        RequestError: a cell or task that cannot be imported, or a value that is missing.

    """
    if missing := OmegaConf.missing_keys(config):
        raise RequestError(f"no value for {', '.join(sorted(missing))}")
    settings: dict[str, Any] = OmegaConf.to_container(config, resolve=True)  # type: ignore[assignment]
    names = {}
    for group in ("cell", "task"):
        target = settings[group].get("_target_")
        own = any(override.lstrip("+").startswith(f"{group}._target_=") for override in overrides)
        names[group] = str(target).rsplit(".", 1)[-1] if own else choices[group]
    if "forget_bias" in settings["cell"] and not takes(located(settings["cell"]["_target_"]), "forget_bias"):
        settings["cell"]["forget_bias"] = None
    settings["run"] = {
        **names,
        "T": settings["task"].get("T"),
        "forget_bias": settings["cell"].get("forget_bias"),
        "seed": settings["seed"],
    }
    for name in ("resume", "fresh", "output_dir"):
        settings.pop(name, None)
    return settings


def located(target: str) -> Callable[..., Any]:
    """Return the class or function with this dotted name.

    Raises:
        RequestError: it cannot be imported.

    """
    try:
        found: Callable[..., Any] = get_object(target)
    except Exception as error:
        cause = error.__cause__ or error
        reason = f"{type(cause).__name__}: {str(cause).splitlines()[0] if str(cause) else ''}"
        raise RequestError(f"cannot import {target}: {reason}") from error
    return found


def takes(cls: Callable[..., Any], parameter: str) -> bool:
    """Say whether the constructor of a class has this parameter."""
    return parameter in inspect.signature(cls).parameters


def title(settings: Mapping[str, Any]) -> str:
    """Return the name of a run for a person to read."""
    run = settings["run"]
    bias = "" if run["forget_bias"] is None else f" b={run['forget_bias']:g}"
    return f"{run['cell']} {run['task']} T={run['T']}{bias} seed={run['seed']}"


def folder_name(settings: Mapping[str, Any]) -> str:
    """Return the name of a run's folder, which follows from its settings: readable, and the same every time.

    It ends in a digest of all settings that make the run what it is, so two runs share a folder only if they are one.
    """
    identity = {key: value for key, value in settings.items() if key not in _NOT_THE_RUN}
    text = json.dumps(identity, sort_keys=True, default=str)
    digest = hashlib.blake2s(text.encode(), digest_size=4).hexdigest()
    readable = re.sub(r"[^\w.+-]", "-", title(settings).replace("=", ""))  # Hydra would want quotes around a "="
    return f"{readable}-{digest}"
