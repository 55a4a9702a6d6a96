"""What the files of a run folder may hold. Whatever is read from a run folder passes through here."""

from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Annotated, Any, TypeVar

import yaml
from pydantic import BaseModel, ConfigDict, Field, JsonValue, TypeAdapter, ValidationError

from longlag.errors import RequestError
from longlag.runs.files import read_text

Checked = TypeVar("Checked")
_Loader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)  # the first is several times faster, where PyYAML has it
#: The most values of a file of YAML, and how deep they may lie in each other; a run writes about a hundred.
_MOST_VALUES, _DEEPEST = 100_000, 50
_LARGEST = 2**64

#: A number of steps, or of something else that a run counts.
Count = Annotated[int, Field(ge=0, lt=_LARGEST)]
#: A process of a system; 0 and negative numbers stand for groups of processes.
ProcessId = Annotated[int, Field(gt=0, lt=2**31)]
#: A JSON object of any values.
JsonObject = dict[str, JsonValue]


class DamagedRunError(RequestError, ValueError):
    """A run folder holds something else than a run, or no run at all; the message is one line."""


class _Plain(yaml.SafeDumper):
    """Writes each value where it stands: a reference to another place of the file is refused by the reader."""

    def ignore_aliases(self, data: Any) -> bool:
        """Return that there are none."""
        return True


#: A part of a run: its settings, nothing, or where a reader finds them.
_Part = dict[str, Any] | Annotated[str, Field(pattern=r"\$\{")] | None


class _Config(BaseModel):
    """The keys of ``config.yaml`` that every reader of a run relies on."""

    model_config = ConfigDict(strict=True, extra="allow")

    run: dict[str, bool | int | float | str | list[Any] | None]
    study: str = ""
    cell: _Part = None
    task: _Part = None
    init: _Part = None
    optimizer: _Part = None
    trainer: _Part = None
    logger: _Part = None
    callbacks: _Part = None
    metrics: _Part = None
    probe: _Part = None
    model: _Part = None


def read_json(path: Path, wanted: type[Checked]) -> Checked:
    """Read a file of JSON.

    Args:
        path: the file.
        wanted: the type of the content, such as a dataclass.

    Raises:
        FileNotFoundError: there is no such file.
        DamagedRunError: the file cannot be read, or holds something else.

    """
    text = _text(path)
    adapter: Any = wanted
    try:
        values: Checked = _adapter(adapter).validate_json(text, strict=True)
    except ValidationError as error:
        raise damaged(path, f"it holds something else: {_first(error)}") from error
    return values


def read_yaml(path: Path) -> dict[str, Any]:
    """Read a file of YAML that holds a mapping of plain values, none of which refers to another place of the file.

    Raises:
        FileNotFoundError: there is no such file.
        DamagedRunError: the file cannot be read, or holds something else.

    """
    text = _text(path)
    try:
        _check_events(text)  # before a value is made: a few lines can stand for more values than a machine can hold
        values = yaml.load(text, Loader=_Loader)
    except yaml.YAMLError as error:
        raise damaged(path, f"it cannot be read as YAML ({str(error).splitlines()[0]})") from error
    except ValueError as error:
        raise damaged(path, str(error)) from error
    if not isinstance(values, dict):
        raise damaged(path, "it is not a mapping")
    if (where := strange(values)) is not None:
        raise damaged(path, where)
    return values


def read_config(path: Path) -> dict[str, Any]:
    """Read a ``config.yaml``; the keys that no reader can do without are there, and of the right type.

    Raises:
        FileNotFoundError: there is no such file.
        DamagedRunError: the file cannot be read, or holds something else.

    """
    values = read_yaml(path)
    try:
        _Config.model_validate(values)
    except ValidationError as error:
        raise damaged(path, f"it is no configuration of a run: {_first(error)}") from error
    return values


def flattened(settings: Mapping[str, Any], prefix: str = "") -> dict[str, Any]:
    """Return nested settings as one mapping with dotted keys."""
    flat: dict[str, Any] = {}
    for key, value in settings.items():
        flat |= flattened(value, f"{prefix}{key}.") if isinstance(value, Mapping) else {f"{prefix}{key}": value}
    return flat


def to_yaml(values: Mapping[str, Any]) -> str:
    """Return plain values as YAML that :func:`read_yaml` reads."""
    text: str = yaml.dump(dict(values), Dumper=_Plain, sort_keys=False)
    return text


def damaged(path: Path, why: str) -> DamagedRunError:
    """Return the error about a file of a run folder."""
    return DamagedRunError(f"{path.parent} holds no run that can be read: {path.name}: {why}")


@cache
def _adapter(wanted: Any) -> TypeAdapter[Any]:
    return TypeAdapter(wanted)


def _text(path: Path) -> str:
    try:
        return read_text(path)
    except FileNotFoundError:
        raise
    except NotADirectoryError as error:  # a file is in the way of the folder: nothing is in it
        raise FileNotFoundError(*error.args) from error
    except OSError as error:
        raise damaged(path, error.strerror or str(error)) from error
    except ValueError as error:
        raise damaged(path, str(error)) from error


def _first(error: ValidationError) -> str:
    """Return the first fault that pydantic has found, in a few words."""
    fault = error.errors(include_url=False, include_input=False, include_context=False)[0]
    place = ".".join(map(str, fault["loc"]))
    return f"{place}: {fault['msg']}"[:200] if place else fault["msg"][:200]


def _check_events(text: str) -> None:
    """Check that YAML has few values, none deep inside of others, and no value that refers to another place.

    Raises:
        ValueError: it has not.
        yaml.YAMLError: it is no YAML.

    """
    deep = 0
    for count, event in enumerate(yaml.parse(text, Loader=_Loader)):
        if isinstance(event, yaml.AliasEvent):
            raise ValueError(f"it has a reference to another place, *{event.anchor}"[:80])
        deep += isinstance(event, yaml.CollectionStartEvent) - isinstance(event, yaml.CollectionEndEvent)
        if deep > _DEEPEST:
            raise ValueError(f"its values lie more than {_DEEPEST} deep in each other")
        if count > _MOST_VALUES:
            raise ValueError(f"it has more than {_MOST_VALUES:,} values")


def strange(value: Any, place: str = "") -> str | None:
    """Return which part of a value is no plain value; ``None`` if every part is one."""
    if isinstance(value, dict):
        if not (all(isinstance(key, str) for key in value) or all(isinstance(key, int) for key in value)):
            return f"{place or 'it'} has keys that are no text"
        return next((found for key, x in value.items() if (found := strange(x, f"{place}.{key}".lstrip(".")))), None)
    if isinstance(value, list):
        return next((found for k, x in enumerate(value) if (found := strange(x, f"{place}[{k}]"))), None)
    if isinstance(value, int) and abs(value) >= _LARGEST:
        return f"{place} is larger than any number of a run"
    plain = value is None or isinstance(value, bool | int | float | str)
    return None if plain else f"{place} is a {type(value).__name__}, and no plain value"
