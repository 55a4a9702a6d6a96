"""Settings that come from environment variables: a run writes down the name of the variable, and never its value.

``optimizer.lr='${oc.env:LR}'`` stays as it is in the settings, so ``config.yaml``, W&B and the page show the name. The
value is read when an object is made, by each process of the run anew. What names a run is a value, because its folder
shows it: the study, the seed, and the entries of ``run`` in the settings.
"""

import contextlib
import re
from collections.abc import Iterator, Mapping
from typing import Any

from omegaconf import DictConfig, OmegaConf
from omegaconf.errors import OmegaConfBaseException

from longlag.errors import RequestError

Place = tuple[str | int, ...]
#: Where a setting stands, such as ("optimizer", "lr") -> its text, such as "${oc.env:LR}".
Names = dict[Place, str]
#: The keys whose values the folder of a run shows.
_SHOWN = ("study", "seed")
_REFERENCE = re.compile(r"(?<!\\)\$\{(?:oc\.select:\s*)?(\.*)([A-Za-z_][\w.\[\]]*)(?:,[^{}]*)?\}")
_BEGINNING = re.compile(r"(\\*)\$\{")
#: What a reference in stored settings may be: everything else has become a value.
_OF_THE_ENVIRONMENT = re.compile(r"oc\.(env|decode):")
_DEEPEST = 20


def resolved(config: DictConfig) -> tuple[dict[str, Any], Names]:
    """Return the values of a configuration, and the texts of those that come from environment variables.

    Raises:
        RequestError: a reference leads nowhere, or a variable is not set.

    """
    with _one_line():
        names = {}
        if "oc.env:" in str(config):  # which shows references as they are, and is faster than a copy of all settings
            raw: Any = OmegaConf.to_container(config, resolve=False)
            raw |= {key: config[key] for key in _SHOWN if key in config}
            names = {place: text for place, text in _expanded(raw, raw, ()) if "oc.env:" in text}
        values: Any = OmegaConf.to_container(config, resolve=True)
    return values, names


def with_names(values: Mapping[str, Any], names: Names) -> dict[str, Any]:
    """Return settings in which the values from environment variables are the texts that name the variables.

    A text of which there is no value among the settings is left out. A value that looks like a reference is marked as
    none, so that :func:`values_of` returns the same values.

    Raises:
        RequestError: a text refers to something else than an environment variable.

    """
    named: dict[str, Any] = marked(values)
    there = [place for place in names if _at(named, place) is not None]
    for place in there:
        _at(named, place[:-1])[place[-1]] = names[place]
    if there:
        again = values_of(named)
        for place in there:
            if _at(again, place) != _at(values, place):
                raise RequestError(f"{_key(place)}: beside environment variables, a value must stand as it is")
    return named


def values_of(settings: Mapping[str, Any]) -> dict[str, Any]:
    """Return settings with the values of the environment variables that they name.

    Raises:
        RequestError: a variable is not set, or a text refers to something else.

    """
    if "${" not in str(settings):
        return dict(settings)
    referring = [(place, text) for place, text in _texts(settings) if "${" in text]
    for place, text in referring:
        for found in _BEGINNING.finditer(text):
            if len(found[1]) % 2 == 0 and not _OF_THE_ENVIRONMENT.match(text, found.end()):
                raise RequestError(f"{_key(place)}: {text[:100]!r} refers to something else than the environment")
    if not referring:
        return dict(settings)
    with _one_line():
        values: Any = OmegaConf.to_container(OmegaConf.create(dict(settings)), resolve=True)
    return dict(values)


def unresolved(error: OmegaConfBaseException) -> str:
    """Return the line about a value that OmegaConf cannot resolve, with its key."""
    reason = str(error).splitlines()[0]
    return f"{error.full_key}: {reason}" if error.full_key else reason


def marked(value: Any) -> Any:
    """Return a copy of values in which Hydra and OmegaConf take nothing for a reference."""
    if isinstance(value, Mapping):
        return {key: marked(each) for key, each in value.items()}
    if isinstance(value, list):
        return [marked(each) for each in value]
    return _BEGINNING.sub(lambda found: found[1] * 2 + r"\${", value) if isinstance(value, str) else value


@contextlib.contextmanager
def _one_line() -> Iterator[None]:
    """Turn an error of OmegaConf into a request error."""
    try:
        yield
    except OmegaConfBaseException as error:
        raise RequestError(unresolved(error)) from error


def _texts(value: Any, place: Place = ()) -> Iterator[tuple[Place, str]]:
    """Yield the texts among settings."""
    if isinstance(value, str):
        yield place, value
    for key, each in _parts(value):
        yield from _texts(each, (*place, key))


def _expanded(raw: Any, value: Any, place: Place, at: Place | None = None) -> Iterator[tuple[Place, str]]:
    """Yield the texts among settings, with what stands at the other keys that a text refers to.

    Args:
        raw: all settings, unresolved.
        value: some of them.
        place: where their values come to stand.
        at: where they stand themselves, if that differs.

    """
    at = place if at is None else at
    if isinstance(value, str) and len(place) <= 2 * _DEEPEST:
        whole = _REFERENCE.fullmatch(value)
        target = None if whole is None else _target(at, whole)
        inside = None if target is None else _at(raw, target)
        if isinstance(inside, dict | list):
            yield from _expanded(raw, inside, place, target)
        else:
            yield place, _with_references(raw, value, at)
    for key, each in _parts(value):
        yield from _expanded(raw, each, (*place, key), (*at, key))


def _with_references(raw: Any, text: str, at: Place, deep: int = 0) -> str:
    """Return a text in which the references to other keys are what stands there."""

    def inner(found: re.Match[str]) -> str:
        target = _target(at, found)
        value = _at(raw, target)
        if isinstance(value, str) and deep < _DEEPEST:
            return _with_references(raw, value, target, deep + 1)
        if isinstance(value, bool):
            return str(value).lower()
        return str(value) if isinstance(value, int | float) else found[0]

    return _REFERENCE.sub(inner, text)


def _target(at: Place, found: re.Match[str]) -> Place:
    """Return the place to which a reference leads: leading dots count levels up from the reference itself."""
    dots, key = len(found[1]), found[2]
    keys = [int(part) if part.isdigit() else part for part in re.findall(r"\w+", key)]
    return (*(at[: len(at) - dots] if dots else ()), *keys)


def _at(value: Any, place: Place) -> Any:
    """Return what stands at a place; ``None`` if nothing does."""
    for key in place:
        there = dict(_parts(value))
        if key not in there:
            return None
        value = there[key]
    return value


def _parts(value: Any) -> Iterator[tuple[Any, Any]]:
    if isinstance(value, Mapping):
        yield from value.items()
    elif isinstance(value, list):
        yield from enumerate(value)


def _key(place: Place) -> str:
    return ".".join(map(str, place))
