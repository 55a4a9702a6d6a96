"""Runs -> the data of the page, as plain containers for JSON."""

import json
from collections.abc import Iterable, Sequence
from typing import Any

from longlag.metric import Metric, Metrics
from longlag.report.columns import PAGE, columns_of, declared_metrics
from longlag.report.page.pack import packed_metrics
from longlag.report.page.read import PageRun
from longlag.report.records import FACTS, counts, mixed_engines, state_of, varied_keys
from longlag.runs import RunRecord
from longlag.runs.schema import flattened

#: The most bytes of the page for all curves; a packed value takes 16/3 bytes.
METRICS_BYTES, FLOW_BYTES = 2_000_000, 4_500_000
#: The most values of one run, in a small study.
_METRICS_MOST, _FLOW_MOST = 40_000, 60_000
_BYTES = 16 / 3
_HUGE = 1e308
_TEXT = 2_000  # longer settings are cut
#: The outcome of a run, from which the page draws the solve rates.
_OUTCOME = ("steps", "sequences", "solved_step", "solved_sequences")


def page_data(runs: Iterable[PageRun], records: Sequence[RunRecord]) -> dict[str, Any]:
    """Return the data of the page about the runs.

    Args:
        runs: the runs with their curves; they are read one by one, and none is kept.
        records: the same runs, without curves.

    Returns:
        ``settings``, those in which runs may differ, in the order of the table: ``key`` and ``label``; ``runs``, a
        mapping for each; ``columns``, the metrics with a column in the table, and ``curves``, those with a curve:
        ``key``, ``label``, ``scale`` and ``better`` as declared; ``config``, every setting that differs between any two
        runs: ``key``, its ``values`` as text, and for each run the place ``of`` its value among them (-1: it has no
        such setting); ``common``, the other settings.

    """
    metrics = declared_metrics(records)
    varied = [key for key in varied_keys(records) if key != "study"]  # the folder gives the study
    studies = _studies(records)
    settings = [{"key": key, "label": key.replace("_", " ")} for key in FACTS]
    settings += [{"key": "study", "label": "study"}] if len(set(studies)) > 1 else []
    settings += [{"key": key, "label": key} for key in varied]
    flat = [flattened(record.config) for record in records]
    metrics_most = min(_METRICS_MOST, int(METRICS_BYTES / _BYTES / len(records)))
    packed_runs = []
    for index, run in enumerate(runs):
        values = {key: _plain(flat[index].get(f"run.{key}")) for key in (*FACTS, "seed")}
        values["forget_bias"] = _start(values["forget_bias"], flat[index])
        values |= {"study": studies[index]} | {key: _plain(flat[index].get(key)) for key in varied}
        packed_runs.append(
            {
                "name": run.record.folder.path.name,
                "study": studies[index],
                **_outcome(run, metrics),
                "values": values,
                "metrics": packed_metrics(run.metrics, metrics_most),
                "flow": run.flow,
            }
        )
    figures = [*_OUTCOME, *(key for run in packed_runs for key in run["figures"])]
    curves = [key for run in packed_runs for key in run["metrics"]["columns"] if key != "sequences"]  # an axis
    return {
        "settings": settings,
        "runs": packed_runs,
        "columns": [_declaration(metric) for metric in columns_of(figures, metrics, PAGE)],
        "curves": [_declaration(metrics[key]) for key in metrics.ordered(curves)],
        **_configs(flat),
        "versions": _versions(records),
        "engines": mixed_engines(records),
    }


def flow_most(runs: int) -> int:
    """Return how many values of the error flow of each run the page has room for."""
    return min(_FLOW_MOST, int(FLOW_BYTES / _BYTES / runs))


def _outcome(run: PageRun, metrics: Metrics) -> dict[str, Any]:
    status, summary = run.record.status, dict(run.record.summary)
    if run.metrics and not summary:  # the run has not ended; its curves say how it started
        first = run.metrics[min(run.metrics)]
        summary = {f"{key}_init": value for key, value in first.items() if "/" not in key or key.startswith("layer")}
    wanted = {*_OUTCOME, *(metric.key for metric in columns_of(summary, metrics, PAGE))}
    return {
        "state": state_of(run.record),
        "reason": str(status.reason)[:_TEXT],
        "step": status.step if _is_finite(status.step) else None,
        "counts": counts(run.record),
        "figures": {key: _rounded(value) for key, value in summary.items() if key in wanted and _is_finite(value)},
    }


def _declaration(metric: Metric) -> dict[str, Any]:
    return {"key": metric.key, "label": metric.label, "scale": metric.scale, "better": metric.better}


def _start(forget_bias: Any, flat: dict[str, Any]) -> Any:
    """Return how the forget gate starts: the forget bias, or the name of ``init``."""
    target = flat.get("init._target_")
    return target.rpartition(".")[2].lower() if forget_bias is None and isinstance(target, str) else forget_bias


def _studies(records: Sequence[RunRecord]) -> list[str]:
    """Return the study of each run: the name of its folder, or its whole path where two have the same name."""
    parents = [record.folder.path.absolute().parent for record in records]
    names: dict[str, set[str]] = {}
    for parent in parents:
        names.setdefault(parent.name, set()).add(str(parent))
    return [parent.name if len(names[parent.name]) == 1 else str(parent) for parent in parents]


def _configs(flat: Sequence[dict[str, Any]]) -> dict[str, Any]:
    differing, common = [], {}
    for key in dict.fromkeys(key for settings in flat for key in settings):
        if key.startswith("run.") or key == "study":  # the page shows these with each run
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
    """Return the versions with which the runs were made: package -> versions."""
    versions: dict[str, set[str]] = {}
    for record in records:
        if isinstance(record.status.versions, dict):
            for name, version in record.status.versions.items():
                versions.setdefault(str(name), set()).add(str(version))
    return {name: sorted(several) for name, several in versions.items()}


def _plain(value: Any) -> Any:
    """Return a setting as a finite number or as text, for JSON and the table."""
    if value is None or _is_finite(value):
        return value
    return _text(value)


def _rounded(value: float) -> float:
    return value if isinstance(value, int) else float(f"{value:.6g}")


def _text(value: Any) -> str:
    return (value if isinstance(value, str) else json.dumps(value, default=str))[:_TEXT]


def _is_finite(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and abs(value) <= _HUGE
