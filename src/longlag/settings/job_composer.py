"""Composing the many jobs of a grid by Hydra, in little time.

Hydra takes tens of milliseconds to compose a job, nearly all of it for the choices in the groups, which the jobs of a
grid share. Here Hydra composes each set of choices once. The values are then put into a copy by Hydra's own function,
which is private: this module alone calls it.
"""

import copy
import functools
from collections.abc import Sequence
from typing import Any

from hydra._internal.config_loader_impl import ConfigLoaderImpl, get_overrides_dirname
from hydra.core.config_loader import ConfigLoader
from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.core.override_parser.types import Override
from omegaconf import DictConfig, OmegaConf, open_dict

from longlag.settings.compose import without_hydra


class JobComposer:
    """Composes jobs of one command.

    Args:
        loader: Hydra's.
        command: the configuration of the command, with Hydra's own node.

    """

    def __init__(self, loader: ConfigLoader, command: DictConfig) -> None:
        self._loader = loader
        self._command = command
        self._parser = OverridesParser.create(config_loader=loader)
        self._parse = functools.cache(self._parser.parse_override)
        self._is_group = functools.cache(lambda key: bool(loader.list_groups(key) or loader.get_group_options(key)))
        self._bases: dict[tuple[str, ...], tuple[DictConfig, DictConfig]] = {}
        self._shared: dict[tuple[tuple[str, ...], tuple[str, ...]], DictConfig] = {}

    def settings_and_hydra(self, overrides: Sequence[str]) -> tuple[DictConfig, Any]:
        """Return the configuration of a job without Hydra's own node, and this node.

        Hydra's node is that of every job with the same choices, so it does not know the values of this one. Jobs that
        overwrite the same values share one configuration, which is good until the next call: a copy takes longer than
        all else here.
        """
        choices, values = self._choices_and_values(overrides)
        whole, settings = self._base(choices)
        if _overwrite(values):
            kind = choices, tuple(value.key_or_group for value in values)
            if kind not in self._shared:
                self._shared[kind] = copy.deepcopy(settings)
            settings = self._shared[kind]
        else:
            settings = copy.deepcopy(settings)
        ConfigLoaderImpl._apply_overrides_to_config(values, settings)
        return settings, whole.hydra

    def whole(self, overrides: Sequence[str], number: int) -> DictConfig:
        """Return the whole configuration of a job, as Hydra's launchers hand it on.

        Args:
            overrides: of the job.
            number: of the job, from 0.

        """
        choices, values = self._choices_and_values(overrides)
        config = copy.deepcopy(self._base(choices)[0])
        ConfigLoaderImpl._apply_overrides_to_config(values, config)
        typed = [self._parse(line) for line in overrides]
        of_the_task = [override for override in typed if not override.is_hydra_override()]
        naming = config.hydra.job.config.override_dirname
        with open_dict(config):
            config.hydra.overrides.task = [override.input_line for override in of_the_task]
            config.hydra.job.override_dirname = get_overrides_dirname(
                of_the_task, naming.exclude_keys, naming.item_sep, naming.kv_sep
            )
            config.hydra.job.id = config.hydra.job.num = number
        return config

    def _choices_and_values(self, overrides: Sequence[str]) -> tuple[tuple[str, ...], list[Override]]:
        """Divide overrides into the choices of groups and of Hydra, and the values in the settings."""
        values = [parsed for line in overrides if self._is_value(parsed := self._parse(line))]
        return tuple(line for line in overrides if not self._is_value(self._parse(line))), values

    def _base(self, choices: tuple[str, ...]) -> tuple[DictConfig, DictConfig]:
        """Return the configuration that Hydra composes from choices: whole, and without Hydra's own node."""
        if choices not in self._bases:
            whole = self._loader.load_sweep_config(self._command, list(choices))
            settings = without_hydra(whole)
            OmegaConf.set_struct(settings, True)
            self._bases[choices] = whole, settings
        return self._bases[choices]

    def _is_value(self, override: Override) -> bool:
        """Say whether an override is a value in the settings, and no choice of a group."""
        if override.is_hydra_override():
            return False
        return isinstance(override.value(), dict) or not self._is_group(override.key_or_group)


def _overwrite(values: Sequence[Override]) -> bool:
    """Return whether all overrides set a plain value, and none lies inside of another one.

    Then the same keys with other values leave nothing of the values before.
    """
    keys = [value.key_or_group for value in values]
    plain = not any(
        value.is_add() or value.is_force_add() or value.is_delete() or isinstance(value.value(), dict | list)
        for value in values
    )
    return plain and not any(inner.startswith(f"{outer}.") for outer in keys for inner in keys)
