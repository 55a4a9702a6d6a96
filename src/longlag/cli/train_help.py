"""``longlag train --help``: the groups with their options, and each key with its value and its comment."""

import string
import textwrap
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import yaml
from omegaconf import DictConfig, OmegaConf

from longlag.settings.comments import about, comments_of
from longlag.settings.compose import composed_of, conf_dirs, without_hydra

_WIDTH = 80
_COMMENT = 36  # the column of the comments
_OF_HYDRA = "hydra"


def train_help(words: Sequence[str], config_dir: str | None) -> str:
    """Return the help text, with the settings that these words compose.

    Args:
        words: ``KEY=VALUE``; of a grid, the help shows the first job.
        config_dir: a folder with more YAML files.

    Raises:
        RequestError: something in them is wrong.

    """
    places = conf_dirs(config_dir)
    composed = composed_of(words, config_dir)
    choices = {
        group: name for group, name in composed.hydra.runtime.choices.items() if group.split("/")[0] != _OF_HYDRA
    }
    settings = {str(key): value for key, value in _plain(without_hydra(composed)).items()}
    text = string.Template(composed.hydra.help.template).substitute(
        APP_CONFIG_GROUPS="\n".join(_groups(places)),
        CONFIG="\n".join(_settings(settings, choices, places)),
    )
    return f"{text.rstrip()}\n"


def _plain(config: DictConfig) -> dict[Any, Any]:
    plain = OmegaConf.to_container(config, resolve=False)
    assert isinstance(plain, dict)
    return plain


def _groups(places: Sequence[Path]) -> Iterator[str]:
    """Yield the lines of the groups."""
    options: dict[str, set[str]] = {}
    for place in places:
        for file in place.glob("*/**/*.yaml"):
            group = file.parent.relative_to(place).as_posix()
            if group.split("/")[0] != _OF_HYDRA:
                options.setdefault(group, set()).add(file.stem)
    for group in sorted(options):
        yield _filled(f"{group}: {', '.join(sorted(options[group]))}", "    ")


def _settings(settings: Mapping[str, Any], choices: Mapping[str, Any], places: Sequence[Path]) -> Iterator[str]:
    """Yield the lines of the settings: first the keys of no group, then those of each group under its choice."""
    comments = comments_of(choices, places)
    for group, name in choices.items():
        files = [file for place in places if (file := place / group / f"{name}.yaml").is_file()]
        comments[f"{group}={name}"] = about(files[-1]) if files else ""
    for key in sorted(settings, key=lambda key: key in choices):
        if key in choices:
            yield ""
        yield from _lines(key, settings[key], choices, comments)


def _lines(
    key: str, value: Any, choices: Mapping[str, Any], comments: Mapping[str, str], indent: str = ""
) -> Iterator[str]:
    """Yield the lines of a key; of a mapping, those of all keys in it, mappings last."""
    group = key.replace(".", "/")
    if group in choices:
        choice = f"{group}={choices[group]}"
        yield from _line(f"{indent}{choice}", comments[choice])
        indent += "  "
    elif not isinstance(value, Mapping) or not value:
        yield from _line(f"{indent}{key}={_text(value)}", comments.get(key, ""))
    elif key in comments:
        yield from _line(f"{indent}{key}", comments[key])
    if isinstance(value, Mapping):
        for name in sorted(value, key=lambda name: (isinstance(value[name], Mapping), name != "_target_")):
            yield from _lines(f"{key}.{name}", value[name], choices, comments, indent)


def _text(value: Any) -> str:
    """Return a value as a person types it."""
    if isinstance(value, str):
        return value
    return yaml.safe_dump(value, default_flow_style=True, width=1000).removesuffix("\n...\n").strip()


def _line(typed: str, comment: str) -> Iterator[str]:
    """Yield what is typed, with the comment beside it, or below it where there is no room."""
    if not comment:
        yield typed
        return
    room = " " * _COMMENT
    if len(typed) + 2 > _COMMENT:
        yield typed
        yield _filled(f"{room}{comment}", room)
    else:
        yield _filled(f"{typed:{_COMMENT}}{comment}", room)


def _filled(text: str, indent: str) -> str:
    return textwrap.fill(text, _WIDTH, subsequent_indent=indent, break_long_words=False, break_on_hyphens=False)
