"""The words that a person types, ``KEY=VALUE``, checked before Hydra composes them."""

import functools
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.core.override_parser.types import ChoiceSweep, IntervalSweep, Override, RangeSweep
from hydra.errors import HydraException

from longlag.errors import RequestError

#: The groups whose choices may be several at once, which Hydra merges.
_SEVERAL = ("callbacks", "experiment")
_OF_HYDRA = ("hydra/launcher", "hydra/sweeper")


def check_once(words: Sequence[str], flag: str = "") -> None:
    """Check that no key is typed twice: the first value would be lost.

    Args:
        words: what a person types after the flags.
        flag: which a grid takes, such as ``-m``.

    Raises:
        RequestError: a key is there twice.

    """
    met: dict[str, str] = {}
    for word in words:
        key = word.lstrip("+~").partition("=")[0]
        if key in met:
            values = [one.partition("=")[2] for one in (met[key], word)]
            grid = f"; both are written {flag} {key}={','.join(values)}" if all(values) else ""
            raise RequestError(f"{key} is typed twice, {met[key]} and {word}: type it once{grid}")
        met[key] = word


def check_choices(words: Sequence[str], places: Sequence[Path], flag: str = "") -> None:
    """Check that the choices in the groups are names.

    Args:
        words: what a person types after the flags; one that cannot be read is left to Hydra.
        places: the folders of the YAML files.
        flag: which a grid takes, such as ``-m``.

    Raises:
        RequestError: one is not.

    """
    if any(word.lstrip("+").startswith("hydra.searchpath=") for word in words):
        return  # there may be choices elsewhere
    for word in words:
        read = _read(word)
        if read is None or read.is_delete():
            continue
        key = read.key_or_group
        if not key:
            raise RequestError(f"no key before the = in {word!r}")
        dotted = key.replace(".", "/")
        if key != dotted and is_group(dotted, places) and not isinstance(read.value(), dict):
            raise RequestError(f"{key} is a group: {dotted}={_text(read)} makes a choice in it")
        if is_group(key, places):
            _check_choice(read, places, flag)


def is_group(key: str, places: Sequence[Path]) -> bool:
    """Return whether a key is the name of a group, such as ``cell`` or ``task/splits``."""
    return key in _OF_HYDRA or ("." not in key and bool(key) and any((place / key).is_dir() for place in places))


def options_of(group: str, places: Sequence[Path]) -> list[str]:
    """Return the names that a group has; ``easy/…`` stands for those in a folder of it."""
    found: set[str] = set()
    for place in places:
        found |= {path.stem for path in (place / group).glob("*.yaml")}
        found |= {f"{path.parent.name}/…" for path in (place / group).glob("*/*.yaml")}
    return sorted(found)


def _check_choice(read: Override, places: Sequence[Path], flag: str) -> None:
    """Check a choice, or all choices of a grid.

    Raises:
        RequestError: one is no name.

    """
    group, value = read.key_or_group, read.value()
    options = options_of(group, places)
    there_are = f"; there are: {', '.join(options)}" if options else ""
    if isinstance(value, RangeSweep | IntervalSweep):
        raise RequestError(f"{group}={_text(read)}: a choice is a name{there_are}")
    for one in value.list if isinstance(value, ChoiceSweep) else [value]:
        if isinstance(one, list) and group not in _SEVERAL:
            names = ",".join(map(str, one))
            grid = f"; a grid is written {flag} {group}={names}" if all(map(_is_name, one)) else there_are
            raise RequestError(f"{group}={_text(read)}: there is one choice in {group}{grid}")
        for name in one if isinstance(one, list) else [one]:
            if name is None and "none" in options:
                raise RequestError(f"{group}={_text(read)}: a choice is a name; {group}=none leaves it out")
            if not _is_name(name) and not isinstance(name, dict):  # which holds values
                raise RequestError(f"{group}={_text(read)}: a choice is a name{there_are}")
            if nested := _nested(group, str(name), options, places):
                raise RequestError(f"no {group} {str(name)!r}{there_are}; did you mean {' or '.join(nested)}?")


def _nested(group: str, name: str, options: Sequence[str], places: Sequence[Path]) -> list[str]:
    """Return the choices of this name in the folders of a group, if the group itself has none."""
    if name in options or not name.isidentifier():
        return []
    found = {path.relative_to(place / group) for place in places for path in (place / group).glob(f"*/**/{name}.yaml")}
    return sorted(path.with_suffix("").as_posix() for path in found)


def _is_name(value: Any) -> bool:
    return not isinstance(value, bool | int | float | list | dict | None)  # a name may be a QuotedString


def _text(read: Override) -> str:
    return (read.input_line or "").partition("=")[2]


@functools.lru_cache
def _read(word: str) -> Override | None:
    try:
        return OverridesParser.create().parse_override(word)
    except HydraException:
        return None
