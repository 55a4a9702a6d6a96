"""Compose settings by Hydra outside of ``longlag train``, and find the YAML files."""

import contextlib
import functools
import itertools
import re
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import hydra
from hydra.core.global_hydra import GlobalHydra
from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.errors import HydraException
from omegaconf import DictConfig, OmegaConf

from longlag.errors import RequestError
from longlag.settings.messages import explained, keys_of, unreadable
from longlag.settings.resolve import resolved_settings
from longlag.settings.words import check_choices, is_group


@functools.cache
def conf_dir() -> Path:
    """Return the folder of the YAML files: the packaged copy if there is one, else the checkout's."""
    package = Path(__file__).resolve().parents[1]
    packaged = package / "conf"
    return packaged if packaged.is_dir() else package.parents[1] / "conf"


def conf_dirs(config_dir: str | None = None) -> list[Path]:
    """Return the folders of the YAML files, with one of a reader."""
    return [conf_dir(), *([] if config_dir is None else [Path(config_dir)])]


def settings_of(overrides: Sequence[str], config_dir: str | None = None) -> dict[str, Any]:
    """Return the settings that these overrides make, as ``longlag train --cfg job`` would show them.

    Args:
        overrides: what a person types.
        config_dir: a folder with more YAML files.

    Raises:
        RequestError: something in them is wrong.

    """
    with _hydra(overrides, config_dir):
        composed = _composed(overrides, config_dir)
    return resolved_settings(without_hydra(composed), composed.hydra.runtime.choices, overrides)


def composed_of(overrides: Sequence[str], config_dir: str | None = None) -> DictConfig:
    """Return what Hydra composes of these overrides, or of the first job of their grid, with Hydra's own node.

    Args:
        overrides: what a person types.
        config_dir: a folder with more YAML files.

    Raises:
        RequestError: something in them is wrong.

    """
    with _hydra(overrides, config_dir):
        return _composed(grid(overrides)[0], config_dir)


def _composed(overrides: Sequence[str], config_dir: str | None) -> DictConfig:
    search = [] if config_dir is None else [f"hydra.searchpath=[file://{Path(config_dir).resolve()}]"]
    return hydra.compose("train", overrides=[*search, *overrides], return_hydra_config=True)


def all_settings_of(overrides: Sequence[str], config_dir: str | None = None) -> list[dict[str, Any]]:
    """Return the settings of every job of a grid, such as that of ``task=adding,latch`` or ``task=glob(*)``.

    Args:
        overrides: what a person types.
        config_dir: a folder with more YAML files.

    Raises:
        RequestError: something in them is wrong.

    """
    with _hydra(overrides, config_dir):
        jobs = grid(overrides)
    return [settings_of(job, config_dir) for job in jobs]


@contextlib.contextmanager
def _hydra(overrides: Sequence[str], config_dir: str | None) -> Iterator[None]:
    """Check overrides, initialise Hydra for them, and explain its errors.

    Raises:
        RequestError: something in the overrides is wrong.

    """
    check_choices(overrides, conf_dirs(config_dir))
    try:
        with hydra.initialize_config_dir(str(conf_dir()), version_base="1.3"):
            yield
    except Exception as error:
        raise explained(error, known_keys(overrides)) or error from error


def value_of(override: str) -> Any:
    """Return the value of ``KEY=VALUE`` as Hydra reads it; a list if there are several values.

    Raises:
        RequestError: Hydra cannot read the value.

    """
    try:
        read = OverridesParser.create().parse_override(override)
        return list(read.sweep_iterator()) if read.is_sweep_override() else read.value()
    except HydraException as error:
        raise RequestError(unreadable(override, error)) from error


def grid(overrides: Sequence[str]) -> list[list[str]]:
    """Return the overrides of every job of a grid, in the order in which Hydra's basic sweeper would run them.

    Hydra has to be initialised: a ``glob`` is expanded from its folders.
    """
    axes: dict[str, list[str]] = {}
    parser = OverridesParser.create(config_loader=GlobalHydra.instance().config_loader())
    for override in parser.parse_overrides(list(overrides)):
        key = override.get_key_element()
        if override.is_sweep_override():
            axes[key] = [f"{key}={value}" for value in override.sweep_string_iterator()]
        else:
            axes[key] = [override.input_line or ""]
    return [list(job) for job in itertools.product(*axes.values())]


def without_hydra(composed: DictConfig) -> DictConfig:
    """Return a composed configuration without Hydra's own node."""
    config = composed.copy()
    OmegaConf.set_struct(config, False)
    config.pop("hydra", None)
    return config


def known_keys(typed: Sequence[str] = ()) -> set[str]:
    """Return the keys of the default configuration and the names of the groups.

    Keys of Hydra are among them: those of the chosen launcher and sweeper.

    Args:
        typed: the overrides.

    """
    GlobalHydra.instance().clear()
    chosen = [
        one for one in typed if re.fullmatch(r"([\w/]+)=[\w/]+", one) and is_group(one.partition("=")[0], [conf_dir()])
    ]
    with hydra.initialize_config_dir(str(conf_dir()), version_base="1.3"):
        try:
            keys = keys_of(hydra.compose("train", overrides=chosen, return_hydra_config=True))
        except HydraException:  # such a choice does not exist
            keys = keys_of(hydra.compose("train"))
    groups = {str(path.relative_to(conf_dir())) for path in conf_dir().glob("**/") if path != conf_dir()}
    return keys | groups
