"""``horizon.json`` in the folder of a study: the horizons that were measured there, for others to read and cite."""

import fcntl
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from longlag.runs import DamagedRunError
from longlag.runs.files import open_file, write_whole
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
    with open_file(path.with_name(f".{path.name}.lock"), "w") as lock:  # searches of one study may run side by side
        fcntl.flock(lock, fcntl.LOCK_EX)
        kept = {_key(entry): dict(entry) for entry in [*read_entries(path), *entries]}
        write_whole(path, json.dumps({"horizons": list(kept.values())}, indent=1, allow_nan=False) + "\n")


def _key(entry: Mapping[str, Any]) -> str:
    return json.dumps([sorted(entry["words"]), *(entry.get(key) for key in _KEYS[1:])])
