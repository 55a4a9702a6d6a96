"""Read W&B's offline files back: a LevelDB-style log of protobuf records."""

import json
import struct
import subprocess
import sys
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
    job_type: str
    metrics: dict[str, dict[str, Any]]
    media: dict[str, bytes]


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
        if at + _HEADER + length > len(data):  # the process was killed here
            break
        parts += data[at + _HEADER : at + _HEADER + length]
        at += _HEADER + length
        if kind in (_FULL, _LAST):
            record = Record()
            record.ParseFromString(parts)
            found.append(record)
            parts = b""
    return found


def read_offline(folder: Path, closed: bool = True) -> list[OfflineRun]:
    """Read all segments under a run folder's ``wandb/``, oldest first.

    One of a process that was killed is read as far as it goes where ``closed`` is false; one that does not even say
    which run it is of is left out then.
    """
    found = []
    for path in folder.glob("wandb/offline-run-*/run-*.wandb"):
        read = _closed_records(path) if closed else records(path)
        if closed or any(record.WhichOneof("record_type") == "run" for record in read):
            found.append(_read(path, read))
    return sorted(found, key=lambda run: run.started)


def merged(runs: list[OfflineRun]) -> OfflineRun:
    """Merge the parts of one run, oldest first: what comes later counts, and a step that was run again is one row."""
    assert len({run.id for run in runs}) == 1, f"not one run: {[run.id for run in runs]}"
    rows: dict[int, dict[str, Any]] = {}
    for row in (row for run in runs for row in run.history):
        rows.setdefault(row["_step"], {}).update(row)
    return runs[-1]._replace(
        tags=list(dict.fromkeys(tag for run in runs for tag in run.tags)),
        config={key: value for run in runs for key, value in run.config.items()},
        history=[rows[step] for step in sorted(rows)],
        summary={key: value for run in runs for key, value in run.summary.items()},
        metrics={key: value for run in runs for key, value in run.metrics.items()},
        media={key: value for run in runs for key, value in run.media.items()},
        started=runs[0].started,
    )


def as_wandb_reads(folder: Path) -> list[dict[str, Any]]:
    """Return the records of each part under a run folder's ``wandb/``, oldest first, as W&B's own reader has them."""
    found = []
    for part in sorted(folder.glob("wandb/offline-run-*")):
        command = [sys.executable, "-m", "wandb", "leet", "inspect", "--json", str(part)]
        text = subprocess.run(command, capture_output=True, text=True, timeout=60, check=True, cwd=folder).stdout
        found += [json.loads(line) for line in text.splitlines()]
    return found


def _closed_records(path: Path) -> list[Record]:
    """Read a file to its closing record; W&B's service process may still be writing when ``finish`` has returned."""
    deadline = time.monotonic() + 20
    while time.monotonic() < deadline:
        found = records(path) if path.stat().st_size >= _HEADER else []
        if found and found[-1].WhichOneof("record_type") == "exit":
            return found
        time.sleep(0.05)
    raise AssertionError(f"{path} was not closed")


def _read(path: Path, read: list[Record]) -> OfflineRun:
    run, history, summary, exit_code = None, [], {}, None
    config: dict[str, Any] = {}
    metrics: dict[str, dict[str, Any]] = {}
    media: dict[str, bytes] = {}
    for record in read:
        kind = record.WhichOneof("record_type")
        if kind == "run":
            run = record.run
            config |= {item.key: json.loads(item.value_json) for item in run.config.update}
        elif kind == "history":
            history.append({_key(item): json.loads(item.value_json) for item in record.history.item})
        elif kind == "summary":
            for item in record.summary.update:
                summary = updated(summary, _key(item), json.loads(item.value_json))
        elif kind == "metric":
            kept = {name: getattr(record.metric.summary, name) for name in ("max", "min", "last")}
            metrics[record.metric.name or record.metric.glob_name] = {"axis": record.metric.step_metric, **kept}
        elif kind == "files":
            for item in record.files.files:
                if item.path.startswith("media/"):
                    media[item.path] = (path.parent / "files" / item.path).read_bytes()
        elif kind == "exit":
            exit_code = record.exit.exit_code
    assert run is not None, f"{path} has no run"
    return OfflineRun(
        run.run_id, run.display_name, run.run_group, run.project, list(run.tags), config, history, summary, exit_code,
        run.start_time.ToNanoseconds() / 1e9, run.job_type, metrics, media,
    )  # fmt: skip


def updated(summary: dict[str, Any], key: str, value: Any) -> dict[str, Any]:
    """Return a summary with a figure in the place of what was there under its name, parts included."""
    kept = {name: x for name, x in summary.items() if name != key and not name.startswith(f"{key}.")}
    return kept | _flat(key, value)


def _flat(key: str, value: Any) -> dict[str, Any]:
    """Return a figure, and one that has parts as its parts with dotted names."""
    if not isinstance(value, dict):
        return {key: value}
    return {name: x for part, inner in value.items() for name, x in _flat(f"{key}.{part}", inner).items()}


def _key(item: Any) -> str:
    return item.key or ".".join(item.nested_key)
