"""The names of a run, which follow from its settings: its title, its folder, and its group of seeds."""

import hashlib
import json
import re
from collections.abc import Mapping, Sequence
from typing import Any

#: The version of the rule by which an identity is made from settings; ``config.yaml`` holds it.
FORMAT = 2
#: Keys that decide no number of a run: where it writes, what only watches it, and how far it goes.
_NO_IDENTITY = ("format", "run", "study", "output_dir", "logger", "probe", "metrics", "stop_when_solved")
_NO_IDENTITY_TRAINER = ("max_steps", "max_time", "log_every_n_steps", "profiler", "detect_anomaly")
_PUBLIC = ("longlag", "torch", "lightning")


def run_title(settings: Mapping[str, Any]) -> str:
    """Return the name of a run for a person to read."""
    run = settings["run"]
    bias = "" if run["forget_bias"] is None else f" b={_short(run['forget_bias'])}"
    return f"{run['cell']} {run['task']} T={run['T']}{bias} seed={run['seed']}"


def folder_name(settings: Mapping[str, Any]) -> str:
    """Return the name of a run's folder: readable, and ending in a digest of the run's identity.

    Two runs share a folder only if they are the same run.
    """
    readable = re.sub(r"[^\w.+-]", "-", run_title(settings).replace("=", ""))  # Hydra would want quotes around a "="
    return f"{readable}-{_digest(identity(settings), size=4)}"


def identity(settings: Mapping[str, Any]) -> dict[str, Any]:
    """Return the settings that decide the numbers of a run, and nothing else.

    The settings that only watch (``probe``, ``logger``, ``metrics``, the cadence of logging, the profiler) and the
    budget (``trainer.max_steps``, ``trainer.max_time``, ``stop_when_solved``) are left out. A class of longlag, torch
    or lightning counts by its public name and not by its module, so a class that moves leaves every run in its folder;
    a reader's own class counts by its full path.
    """
    kept = {key: value for key, value in settings.items() if key not in _NO_IDENTITY}
    kept["trainer"] = {key: x for key, x in settings["trainer"].items() if key not in _NO_IDENTITY_TRAINER}
    named: dict[str, Any] = by_public_names(kept)
    return named


def apart_from_seed(settings: Mapping[str, Any]) -> str:
    """Return the settings that runs of different seeds share, as text; runs of one setting share this text."""
    kept = {key: value for key, value in settings.items() if key not in ("run", "study", "logger", "seed")}
    return json.dumps(_without_seed(kept), sort_keys=True, default=str)


def setting_title(settings: Mapping[str, Any]) -> str:
    """Return the name of a run without its seed, ending in a digest: by this name W&B groups the seeds of a setting."""
    title = re.sub(r" seed=[0-9]+$", "", run_title(settings))
    return f"{title} ({_digest(_without_seed(identity(settings)), size=2)})"


def _without_seed(settings: Mapping[str, Any]) -> dict[str, Any]:
    task = {**settings["task"], "splits": {**(settings["task"].get("splits") or {}), "seed": None}}
    return {**{key: value for key, value in settings.items() if key != "seed"}, "task": task}


def _digest(settings: Mapping[str, Any], size: int) -> str:
    text = json.dumps(settings, sort_keys=True, default=str)
    return hashlib.blake2s(text.encode(), digest_size=size).hexdigest()


def by_public_names(value: Any) -> Any:
    """Return settings in which each ``_target_`` of a public class is the name of the class alone."""
    if isinstance(value, list):
        return [by_public_names(item) for item in value]
    if not isinstance(value, Mapping):
        return value
    named = {key: by_public_names(item) for key, item in value.items()}
    target = named.get("_target_")
    if isinstance(target, str) and target.split(".")[0] in _PUBLIC:
        named["_target_"] = target.rsplit(".", 1)[-1]
    return named


def _short(value: Any) -> str:
    return f"{value:g}" if isinstance(value, int | float) else str(value)


def names_apart(cells: Sequence[str], settings: Sequence[Mapping[str, Any]]) -> list[str]:
    """Return a different name for each cell: its name, and the settings in which cells of this name differ."""
    named = []
    for name, values in zip(cells, settings, strict=True):
        same = [other for cell, other in zip(cells, settings, strict=True) if cell == name]
        differing = [key for key in values if any(other.get(key) != values[key] for other in same)]
        named.append(" ".join([name, *(f"{key}={values[key]}" for key in differing)]))
    return named
