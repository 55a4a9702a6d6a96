"""The settings in a run folder: checked, and with the reader's word for what is not longlag's own."""

from collections.abc import Mapping, Sequence
from typing import Any

from longlag.errors import RequestError, near
from longlag.settings.environment import values_of
from longlag.settings.schema import ABOUT_THE_COMMAND, TrainKeys, checks_of
from longlag.settings.targets import check_trusted

#: The entries of ``run``, which name a run.
_RUN = ("cell", "task", "T", "forget_bias", "seed")


def checked_run(settings: Mapping[str, Any], needed: Sequence[str] = ()) -> dict[str, Any]:
    """Return the settings of a run, each value checked.

    Args:
        settings: with the values of environment variables.
        needed: the keys that must be there, whatever else is; by default all and no other.

    Raises:
        RequestError: a key is missing or unknown, or its value is of the wrong kind.

    """
    checks = {key: check for key, check in checks_of(TrainKeys).items() if key not in ABOUT_THE_COMMAND}
    if missing := [key for key in needed or (*checks, "run") if key not in settings]:
        raise RequestError(f"the settings have no {missing[0]}; longlag.compose() makes all of them")
    for key in () if needed else settings:
        if key not in (*checks, "run", "format"):
            hint = "".join(f"; did you mean {name}?" for name in near(key, checks)[:1])
            raise RequestError(f"no key {key!r}{hint}")
    if not isinstance(settings["run"], Mapping) or any(name not in settings["run"] for name in _RUN):
        raise RequestError(f"run must be a mapping with {', '.join(_RUN)}, got {settings['run']!r}")
    checked = {key: checks[key](key, value) if key in checks else value for key, value in settings.items()}
    return {**checked, "run": dict(settings["run"])}


def trusted_values(
    settings: Mapping[str, Any], where: object, how: str | None, needed: Sequence[str] = ()
) -> dict[str, Any]:
    """Return the settings in a run folder with the values of environment variables, ready to make objects from.

    Args:
        settings: as the folder holds them.
        where: the folder.
        how: what gives the reader's word; ``None`` if the reader has given it.
        needed: the keys that must be there; all by default.

    Raises:
        RequestError: a setting is wrong, or names a class that needs the reader's word.

    """
    try:
        values = checked_run(values_of(settings), needed)
    except RequestError as error:
        raise RequestError(f"{where}/config.yaml: {error}") from error
    if how is not None:
        check_trusted(values, where, how)
    return values
