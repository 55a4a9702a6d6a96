"""Runs -> what the page holds, as plain containers for JSON."""

import json
import math
from collections.abc import Iterable, Sequence
from typing import Any

from longlag.report.page.pack import packed_metrics
from longlag.report.page.read import RunPages
from longlag.report.settings import counts
from longlag.report.table import flattened, state_of, varied_keys
from longlag.runs import RunRecord

#: What the curves may take in the file, in bytes; packed, a value takes 16/3 of them.
METRICS_BYTES, FLOW_BYTES = 2_000_000, 4_500_000
#: The most values of one run, in a small study.
_METRICS_MOST, _FLOW_MOST = 40_000, 60_000
_BYTES = 16 / 3
_HUGE = 1e308
_TEXT = 2_000  # longer settings are cut
#: The figures of a summary that the page shows.
_FIGURES = (
    "steps", "sequences", "solved_step", "solved_sequences", "test/acc", "early_gradient_init", "early_gradient_end",
    "layer1/gradient_half_life_init", "layer1/gradient_half_life", "layer1/memory_half_life_init",
    "layer1/memory_half_life", "parameters", "seconds",
)  # fmt: skip
#: What is told of a run by its name, and not by ``config.yaml`` alone.
_IDENTITY = ("cell", "task", "T", "forget_bias")


def page_data(runs: Iterable[RunPages], records: Sequence[RunRecord]) -> dict[str, Any]:
    """Return what the page holds of the runs.

    Args:
        runs: the runs with their curves; each is let go once it has been packed.
        records: the same runs, without curves.

    Returns:
        ``settings``, those in which runs may differ, in the order of the table: ``key`` and ``label``; ``runs``, a
        mapping for each; ``config``, every setting that differs between any two runs: ``key``, its ``values`` as
        text, and for each run which ``of`` them it has (-1: it has no such setting); ``common``, the other settings.

    """
    varied = [key for key in varied_keys(records) if key != "study"]  # which is said by its folder here
    studies = _studies(records)
    settings = [{"key": key, "label": key.replace("_", " ")} for key in _IDENTITY]
    settings += [{"key": "study", "label": "study"}] if len(set(studies)) > 1 else []
    settings += [{"key": key, "label": key} for key in varied]
    flat = [flattened(record.config) for record in records]
    metrics_most = min(_METRICS_MOST, int(METRICS_BYTES / _BYTES / len(records)))
    found = []
    for index, run in enumerate(runs):
        values = {key: _plain(flat[index].get(f"run.{key}")) for key in (*_IDENTITY, "seed")}
        values["forget_bias"] = _start(values["forget_bias"], flat[index])
        values |= {"study": studies[index]} | {key: _plain(flat[index].get(key)) for key in varied}
        found.append(
            {
                "name": run.record.folder.path.name,
                "study": studies[index],
                **_outcome(run),
                "values": values,
                "metrics": packed_metrics(run.metrics, metrics_most),
                "flow": run.flow,
            }
        )
    return {"settings": settings, "runs": found, **_configs(flat), "versions": _versions(records)}


def flow_most(runs: int) -> int:
    """Return how many values of the error flow of each run there is room for."""
    return min(_FLOW_MOST, int(FLOW_BYTES / _BYTES / runs))


def _outcome(run: RunPages) -> dict[str, Any]:
    status = run.record.status
    summary = run.record.summary
    figures = {key: _rounded(summary[key]) for key in _FIGURES if _is_finite(summary.get(key))}
    if run.metrics and "early_gradient_init" not in figures:  # it has not ended yet
        first = run.metrics[min(run.metrics)].get("early_gradient", math.nan)
        figures |= {"early_gradient_init": first} if math.isfinite(first) else {}
    return {
        "state": state_of(run.record),
        "reason": str(status.reason)[:_TEXT],
        "step": status.step if _is_finite(status.step) else None,
        "counts": counts(run.record),
        "figures": figures,
    }


def _start(forget_bias: Any, flat: dict[str, Any]) -> Any:
    """Return how the forget gate starts: at a bias, or as ``init`` says."""
    target = flat.get("init._target_")
    return target.rpartition(".")[2].lower() if forget_bias is None and isinstance(target, str) else forget_bias


def _studies(records: Sequence[RunRecord]) -> list[str]:
    """Return the study of each run: the name of its folder, or all of its path where two have the same name."""
    parents = [record.folder.path.absolute().parent for record in records]
    names: dict[str, set[str]] = {}
    for parent in parents:
        names.setdefault(parent.name, set()).add(str(parent))
    return [parent.name if len(names[parent.name]) == 1 else str(parent) for parent in parents]


def _configs(flat: Sequence[dict[str, Any]]) -> dict[str, Any]:
    differing, common = [], {}
    for key in dict.fromkeys(key for settings in flat for key in settings):
        if key.startswith("run.") or key == "study":  # said elsewhere on the page
            continue
        texts = [_text(settings[key]) if key in settings else None for settings in flat]
        values = sorted({text for text in texts if text is not None})
        if len(set(texts)) == 1:
            common[key] = values[0]
        else:
            places = {text: place for place, text in enumerate(values)}
            differing.append({"key": key, "values": values, "of": [-1 if t is None else places[t] for t in texts]})
    return {"config": differing, "common": common}


def _versions(records: Sequence[RunRecord]) -> dict[str, list[str]]:
    """Return the versions with which the runs were made: package -> each version that was met."""
    found: dict[str, set[str]] = {}
    for record in records:
        if isinstance(record.status.versions, dict):
            for name, version in record.status.versions.items():
                found.setdefault(str(name), set()).add(str(version))
    return {name: sorted(versions) for name, versions in found.items()}


def _plain(value: Any) -> Any:
    """Return a setting as something that JSON and a table can hold: a finite number, or text."""
    if value is None or _is_finite(value):
        return value
    return _text(value)


def _rounded(value: float) -> float:
    return value if isinstance(value, int) else float(f"{value:.6g}")


def _text(value: Any) -> str:
    return (value if isinstance(value, str) else json.dumps(value, default=str))[:_TEXT]


def _is_finite(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and abs(value) <= _HUGE
