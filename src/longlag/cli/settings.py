"""The settings of one run, plain and checked, and the names that follow from them."""

import hashlib
import inspect
import json
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

from hydra.utils import get_object
from omegaconf import DictConfig, OmegaConf
from omegaconf.errors import OmegaConfBaseException

from longlag.cli.requests import RequestError, near

#: What a person says about a command, not about the run: a run is the same run without it.
_ABOUT_THE_COMMAND = ("study", "output_dir", "logger", "resume", "fresh", "run")
_PARTS = ("cell", "task", "optimizer", "trainer", "logger")
_KEYS = {
    *_PARTS, "init", "model", "callbacks", "probe", "seed", "study", "output_dir", "engine", "stop_when_solved",
    "resume", "fresh", "fail_fast",
}  # fmt: skip


def frozen(config: DictConfig, choices: Mapping[str, Any], overrides: Sequence[str]) -> dict[str, Any]:
    """Return the settings of one job: resolved, plain, checked, and with what identifies the run under ``run``.

    ``cell.forget_bias`` of a cell whose constructor takes none is set to ``None``, and so is ``init``: in a grid over
    them, such a cell then has one and the same run for every value. Where ``init`` takes the place of
    ``cell.forget_bias``, every cell has.

    Args:
        config: the composed configuration, without Hydra's own node.
        choices: which option was chosen in which group.
        overrides: what was typed.

    Raises:
        RequestError: a part is missing or of the wrong kind, or its class cannot be imported.

    """
    try:
        settings: dict[str, Any] = OmegaConf.to_container(config, resolve=True)  # type: ignore[assignment]
    except OmegaConfBaseException as error:
        raise RequestError(str(error).splitlines()[0]) from error
    if missing := sorted(_missing(settings)):
        raise RequestError(f"no value for {', '.join(missing)}")
    _check(settings)
    names = {}
    for group in ("cell", "task"):
        own = any(override.lstrip("+").startswith(f"{group}._target_=") for override in overrides)
        names[group] = settings[group]["_target_"].rsplit(".", 1)[-1] if own else choices[group]
    if not takes(located(settings["cell"]["_target_"]), "forget_bias"):
        settings["init"] = {}
        if "forget_bias" in settings["cell"]:
            settings["cell"]["forget_bias"] = None
    if settings["init"]:
        settings["cell"]["forget_bias"] = None
    settings["run"] = {
        **names,
        "T": settings["task"].get("T"),
        "forget_bias": choices["init"] if settings["init"] else settings["cell"].get("forget_bias"),
        "seed": settings["seed"],
    }
    for name in ("resume", "fresh", "fail_fast", "output_dir"):
        del settings[name]
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
    if not callable(found):
        raise RequestError(f"{target} is not a class")
    return found


def check_switch(key: str, value: Any) -> None:
    """Check that a setting is true or false: in an override, Hydra takes ``no`` for text.

    Raises:
        RequestError: it is something else.

    """
    if not isinstance(value, bool):
        raise RequestError(f"{key} must be true or false, got {value!r}")


def takes(cls: Callable[..., Any], parameter: str) -> bool:
    """Say whether the constructor of a class has this parameter."""
    try:
        return parameter in inspect.signature(cls).parameters
    except (TypeError, ValueError):  # something built in, which says nothing about itself
        return False


def title(settings: Mapping[str, Any]) -> str:
    """Return the name of a run for a person to read."""
    run = settings["run"]
    bias = "" if run["forget_bias"] is None else f" b={_short(run['forget_bias'])}"
    return f"{run['cell']} {run['task']} T={run['T']}{bias} seed={run['seed']}"


def folder_name(settings: Mapping[str, Any]) -> str:
    """Return the name of a run's folder, which follows from its settings: readable, and the same every time.

    It ends in a digest of all settings that make the run what it is, so two runs share a folder only if they are one.
    """
    identity = {key: value for key, value in settings.items() if key not in _ABOUT_THE_COMMAND}
    text = json.dumps(identity, sort_keys=True, default=str)
    digest = hashlib.blake2s(text.encode(), digest_size=4).hexdigest()
    readable = re.sub(r"[^\w.+-]", "-", title(settings).replace("=", ""))  # Hydra would want quotes around a "="
    return f"{readable}-{digest}"


def apart_from_seed(settings: Mapping[str, Any]) -> str:
    """Return what two runs share that differ in the seed alone."""
    about = (*_ABOUT_THE_COMMAND, "seed", "task")
    task = {**settings["task"], "splits": {**(settings["task"].get("splits") or {}), "seed": None}}
    kept = {key: value for key, value in settings.items() if key not in about}
    return json.dumps([kept, task], sort_keys=True, default=str)


def _missing(settings: Mapping[str, Any], prefix: str = "") -> Iterator[str]:
    """Yield the keys whose value is OmegaConf's mark for one that must be given."""
    for key, value in settings.items():
        if isinstance(value, Mapping):
            yield from _missing(value, f"{prefix}{key}.")
        elif value == "???":
            yield f"{prefix}{key}"


def _short(value: Any) -> str:
    return f"{value:g}" if isinstance(value, int | float) else str(value)


def _check(settings: dict[str, Any]) -> None:
    """Check that every part is there and of the right kind; put ``study`` and ``output_dir`` as text.

    Raises:
        RequestError: one is not.

    """
    for key in settings:
        if key not in _KEYS:
            hint = "".join(f"; did you mean {name}?" for name in near(key, _KEYS)[:1])
            raise RequestError(f"no key {key!r}{hint}")
    for key in _KEYS - set(settings):
        raise RequestError(f"no {key}: it cannot be left out")
    for part in _PARTS:
        _check_part(part, settings[part])
    for optional in ("init", "probe"):
        settings[optional] = settings[optional] or {}
        if settings[optional]:
            _check_part(optional, settings[optional])
    if not isinstance(settings["model"], dict):
        raise RequestError(f"model must be a mapping, got {settings['model']!r}")
    callbacks = settings["callbacks"] or {}
    if not isinstance(callbacks, dict):
        raise RequestError(f"callbacks must be a mapping of names to callbacks, got {callbacks!r}")
    for name, callback in callbacks.items():
        _check_part(f"callbacks.{name}", callback)
    if "splits" in settings["task"]:
        _check_part("task.splits", settings["task"]["splits"])
    for key in ("fail_fast", "fresh", "stop_when_solved"):
        check_switch(key, settings[key])
    seed = settings["seed"]
    if isinstance(seed, bool) or not isinstance(seed, int) or not 0 <= seed < 2**32:
        raise RequestError(f"seed must be an integer from 0 to {2**32 - 1}, got {seed!r}")
    for key in ("study", "output_dir"):
        if settings[key] in (None, ""):
            raise RequestError(f"{key} must be a name, got {settings[key]!r}")
        settings[key] = str(settings[key])


def _check_part(part: str, value: Any) -> None:
    if not isinstance(value, dict) or not isinstance(value.get("_target_"), str):
        raise RequestError(f"{part} must be a mapping with a _target_, got {value!r}")
