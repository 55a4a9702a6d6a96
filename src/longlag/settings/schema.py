"""The keys of ``conf/train.yaml``, with what each may hold; and the check of settings against such a list of keys.

A schema is a dataclass. Each field is a key, and the type of the field holds the check of the value.
"""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Annotated, Any, Literal, get_type_hints

from longlag.errors import RequestError, near

_LONGEST_NAME = 255  # of a folder, in bytes

#: A check: takes the key and the value, and returns the value as the settings hold it, or raises a RequestError.
Check = Callable[[str, Any], Any]


def _part(key: str, value: Any) -> dict[str, Any]:
    if not isinstance(value, dict) or not isinstance(value.get("_target_"), str):
        raise RequestError(f"{key} must be a mapping with a _target_, got {value!r}")
    return value


def _task(key: str, value: Any) -> dict[str, Any]:
    checked = _part(key, value)
    if "splits" in checked:
        _part(f"{key}.splits", checked["splits"])
    return checked


def _parts(key: str, value: Any) -> dict[str, Any]:
    value = value or {}
    if not isinstance(value, dict):
        raise RequestError(f"{key} must be a mapping of names to {key}, got {value!r}")
    return {name: _part(f"{key}.{name}", each) for name, each in value.items()}


def _metrics(key: str, value: Any) -> dict[str, Any]:
    for name in value if isinstance(value, dict) else ():
        if not re.fullmatch(r"[A-Za-z]\w*", name):
            raise RequestError(f"{key}.{name}: the name of a metric must be letters, digits and _")
    return _parts(key, value)


def _mapping(key: str, value: Any) -> dict[str, Any]:
    if not isinstance(value, dict):
        raise RequestError(f"{key} must be a mapping, got {value!r}")
    return value


def check_switch(key: str, value: Any) -> bool:
    """Check that a value is true or false: in an override, Hydra reads ``no`` as text.

    Raises:
        RequestError: the value is something else.

    """
    if not isinstance(value, bool):
        raise RequestError(f"{key} must be true or false, got {value!r}")
    return value


def _name(key: str, value: Any) -> str:
    if value in (None, ""):
        raise RequestError(f"{key} must be a name, got {value!r}")
    for part in str(value).split("/"):
        if (size := len(part.encode(errors="surrogateescape"))) > _LONGEST_NAME:
            raise RequestError(f"{key}: the name of a folder has at most {_LONGEST_NAME} bytes, got {size}")
    return str(value)


def _seed(key: str, value: Any) -> int:
    if isinstance(value, bool) or not isinstance(value, int) or not 0 <= value < 2**32:
        raise RequestError(f"{key} must be an integer from 0 to {2**32 - 1}, got {value!r}")
    return value


def check_population(key: str, value: Any) -> int | Literal["auto"]:
    """Check the most runs that train as one batch.

    Raises:
        RequestError: the value is neither ``auto`` nor a positive integer.

    """
    if value == "auto":
        return "auto"
    if isinstance(value, bool) or not isinstance(value, int) or value < 1:
        raise RequestError(f"{key} must be auto, 1 (each run alone) or a larger integer, got {value!r}")
    return value


def _anything(key: str, value: Any) -> Any:
    return value


#: A mapping with a ``_target_``: the settings of one part of a run.
Part = Annotated[dict[str, Any], _part]
#: A part, or nothing, which the settings hold as an empty mapping.
OptionalPart = Annotated[dict[str, Any], lambda key, value: _part(key, value) if value else {}]
#: A part whose ``splits``, if there are any, are a part too.
TaskPart = Annotated[dict[str, Any], _task]
#: A mapping of names to parts, or nothing.
Parts = Annotated[dict[str, Any], _parts]
#: Parts whose names are the keys of metrics.
MetricParts = Annotated[dict[str, Any], _metrics]
Mapped = Annotated[dict[str, Any], _mapping]
Switch = Annotated[bool, check_switch]
#: A name, which the settings hold as text.
Name = Annotated[str, _name]
#: A seed that NumPy and torch both take.
Seed = Annotated[int, _seed]
#: The most runs in a population, or ``auto``.
Population = Annotated[int | Literal["auto"], check_population]
#: A value that the part which reads it checks.
Unchecked = Annotated[Any, _anything]


@dataclass(frozen=True)
class TrainKeys:
    """The keys of ``conf/train.yaml``, each of which every run has."""

    cell: Part
    init: OptionalPart
    task: TaskPart
    optimizer: Part
    trainer: Part
    logger: Part
    callbacks: Parts
    metrics: MetricParts
    probe: OptionalPart
    model: Mapped
    per_cell: Mapped
    seed: Seed
    study: Name
    output_dir: Name
    engine: Unchecked
    stop_when_solved: Switch
    population: Population
    resume: Unchecked
    fail_fast: Switch
    fresh: Switch
    trust: Switch


#: Keys of the command, which the settings of a run do not have.
ABOUT_THE_COMMAND = ("per_cell", "output_dir", "population", "resume", "fail_fast", "fresh", "trust")


def checks_of(schema: type) -> dict[str, Check]:
    """Return the keys of a schema, each with the check of its value."""
    hints = get_type_hints(schema, include_extras=True)
    return {key: hint.__metadata__[0] for key, hint in hints.items() if hasattr(hint, "__metadata__")}


def checked(schema: type, settings: Mapping[str, Any]) -> dict[str, Any]:
    """Return settings that a schema describes, each value checked.

    Raises:
        RequestError: the schema has no such key, a key is missing, or a value is wrong.

    """
    checks = checks_of(schema)
    for key in settings:
        if key not in checks:
            hint = "".join(f"; did you mean {each}?" for each in near(key, checks)[:1])
            raise RequestError(f"no key {key!r}{hint}")
    for key in checks:
        if key not in settings:
            raise RequestError(f"no {key}: it cannot be left out")
    return {key: check(key, settings[key]) for key, check in checks.items()}
