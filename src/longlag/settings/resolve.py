"""The settings of one run, plain and checked, and the names that follow from them."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from omegaconf import DictConfig, OmegaConf
from omegaconf.errors import OmegaConfBaseException

from longlag.errors import RequestError
from longlag.settings.component import Component
from longlag.settings.messages import unresolved
from longlag.settings.names import FORMAT
from longlag.settings.schema import ABOUT_THE_COMMAND, TrainKeys, checked


def resolved_settings(config: DictConfig, choices: Mapping[str, Any], overrides: Sequence[str]) -> dict[str, Any]:
    """Return the settings of one job: resolved, plain, checked, and with what identifies the run under ``run``.

    The settings of each part make its object as they stand. So ``cell.forget_bias`` goes where the constructor of the
    cell takes none, and ``init`` with it: in a grid over them, such a cell has one and the same run for every value.
    Where ``init`` takes the place of ``cell.forget_bias``, every cell has.

    Args:
        config: the composed configuration, without Hydra's own node.
        choices: which option was chosen in which group.
        overrides: what was typed.

    Raises:
        RequestError: a part is missing or of the wrong kind, or its class cannot be imported.

    """
    try:
        container: dict[str, Any] = OmegaConf.to_container(config, resolve=True)  # type: ignore[assignment]
    except OmegaConfBaseException as error:
        raise RequestError(unresolved(error)) from error
    if missing := sorted(_missing(container)):
        raise RequestError(f"no value for {', '.join(missing)}")
    settings = checked(TrainKeys, container)
    _settle_cell(settings, settings.pop("per_cell").get(choices["cell"]) or {}, overrides)
    names = {}
    for group in ("cell", "task"):
        typed = any(override.lstrip("+").startswith(f"{group}._target_=") for override in overrides)
        names[group] = settings[group]["_target_"].rsplit(".", 1)[-1] if typed else choices[group]
    _settle_forget_bias(settings)
    settings["run"] = {
        **names,
        "T": settings["task"].get("T"),
        "forget_bias": choices["init"] if settings["init"] else settings["cell"].get("forget_bias"),
        "seed": settings["seed"],
    }
    return {"format": FORMAT, **{key: x for key, x in settings.items() if key not in ABOUT_THE_COMMAND}}


def _settle_cell(settings: dict[str, Any], changes: Mapping[str, Any], overrides: Sequence[str]) -> None:
    """Put the settings that ``per_cell`` has for the chosen cell in their places, but for the keys that were typed.

    Raises:
        RequestError: there is no such key.

    """
    typed = {override.lstrip("+").partition("=")[0] for override in overrides}
    for key, value in changes.items():
        *parents, last = key.split(".")
        node: Any = settings
        for parent in parents:
            node = node.get(parent) if isinstance(node, dict) else None
        if not isinstance(node, dict) or last not in node:
            raise RequestError(f"per_cell: no key {key!r}")
        if key not in typed:
            node[last] = value


def _settle_forget_bias(settings: dict[str, Any]) -> None:
    """Leave ``cell.forget_bias`` out where nothing reads it; elsewhere ``null`` is the default of the constructor."""
    cell = settings["cell"]
    parameter = Component.of("cell", cell).parameters.get("forget_bias")
    if parameter is None:
        settings["init"] = {}
    if parameter is None or settings["init"]:
        cell.pop("forget_bias", None)
    elif cell.get("forget_bias") is None and parameter.default is not parameter.empty:
        cell["forget_bias"] = parameter.default


def _missing(settings: Mapping[str, Any], prefix: str = "") -> Iterator[str]:
    """Yield the keys whose value is ``???``, OmegaConf's mark for a value that is missing."""
    for key, value in settings.items():
        if isinstance(value, Mapping):
            yield from _missing(value, f"{prefix}{key}.")
        elif value == "???":
            yield f"{prefix}{key}"
