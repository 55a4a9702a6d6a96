"""Read W&B's offline files back: a LevelDB-style log of protobuf records."""

import json
import struct
import time
from pathlib import Path
from typing import Any, NamedTuple

from wandb.proto.wandb_internal_pb2 import Record

_BLOCK = 32768
_HEADER = 7  # of the file (":W&B", then a magic number and a version), and of every record
_FULL, _FIRST, _MIDDLE, _LAST = 1, 2, 3, 4


class OfflineRun(NamedTuple):
    """What one ``run-ID.wandb`` file holds."""

    id: str
    name: str
    group: str
    project: str
    tags: list[str]
    config: dict[str, Any]
    history: list[dict[str, Any]]
    summary: dict[str, Any]
    exit_code: int | None
    started: float


def records(path: Path) -> list[Record]:
    data = path.read_bytes()
    assert data[:4] == b":W&B", f"{path} starts with {data[:4]!r}"
    found, parts, at = [], b"", _HEADER
    while at + _HEADER <= len(data):
        room = _BLOCK - at % _BLOCK
        if room < _HEADER:  # a block's tail too short for a header is padding
            at += room
            continue
        _, length, kind = struct.unpack("<IHB", data[at : at + _HEADER])
        if kind == 0:
            at += room
            continue
        parts += data[at + _HEADER : at + _HEADER + length]
        at += _HEADER + length
        if kind in (_FULL, _LAST):
            record = Record()
            record.ParseFromString(parts)
            found.append(record)
            parts = b""
    return found


def read_offline(folder: Path) -> list[OfflineRun]:
    """Read all segments under a run folder's ``wandb/``, oldest first."""
    runs = [_read(path) for path in folder.glob("wandb/offline-run-*/run-*.wandb")]
    return sorted(runs, key=lambda run: run.started)


def _closed_records(path: Path) -> list[Record]:
    """Read a file to its closing record; W&B's service process may still be writing when ``finish`` has returned."""
    deadline = time.monotonic() + 20
    while time.monotonic() < deadline:
        found = records(path) if path.stat().st_size >= _HEADER else []
        if found and found[-1].WhichOneof("record_type") == "exit":
            return found
        time.sleep(0.05)
    raise AssertionError(f"{path} was not closed")


def _read(path: Path) -> OfflineRun:
    run, history, summary, exit_code = None, [], {}, None
    config: dict[str, Any] = {}
    for record in _closed_records(path):
        kind = record.WhichOneof("record_type")
        if kind == "run":
            run = record.run
            config |= {item.key: json.loads(item.value_json) for item in run.config.update}
        elif kind == "history":
            history.append({_key(item): json.loads(item.value_json) for item in record.history.item})
        elif kind == "summary":
            summary |= {_key(item): json.loads(item.value_json) for item in record.summary.update}
        elif kind == "exit":
            exit_code = record.exit.exit_code
    assert run is not None, f"{path} has no run"
    return OfflineRun(
        run.run_id, run.display_name, run.run_group, run.project, list(run.tags), config, history, summary, exit_code,
        run.start_time.ToNanoseconds() / 1e9,
    )  # fmt: skip


def _key(item: Any) -> str:
    return item.key or "/".join(item.nested_key)
