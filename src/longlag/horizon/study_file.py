"""``horizon.json`` in the folder of a study: the horizons that were measured there, for others to read and cite."""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from longlag.runs import DamagedRunError
from longlag.runs.files import write_whole
from longlag.runs.schema import JsonObject, read_json

#: What makes two entries the same search.
_KEYS = ("words", "budget", "rate", "seeds", "first_seed", "per_doubling", "tune")


def read_entries(path: Path) -> list[dict[str, Any]]:
    """Return the entries of a file; none if there is no such file.

    Raises:
        DamagedRunError: the file holds something else.

    """
    try:
        content = read_json(path, JsonObject)
    except FileNotFoundError:
        return []
    entries: Any = content.get("horizons")
    if not isinstance(entries, list) or not all(isinstance(each, dict) and _KEYS[0] in each for each in entries):
        raise DamagedRunError(f"{path} holds something else than horizons; move it away")
    return entries


def add_entries(path: Path, entries: Sequence[Mapping[str, Any]]) -> None:
    """Add entries to a file; each takes the place of an earlier one of the same search.

    Raises:
        DamagedRunError: the file holds something else.
        OSError: it cannot be written.

    """
    kept = {_key(entry): dict(entry) for entry in [*read_entries(path), *entries]}
    write_whole(path, json.dumps({"horizons": list(kept.values())}, indent=1, allow_nan=False) + "\n")


def _key(entry: Mapping[str, Any]) -> str:
    return json.dumps([entry.get(key) for key in _KEYS], sort_keys=True)
