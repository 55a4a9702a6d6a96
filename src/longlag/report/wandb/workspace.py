"""The W&B workspace of a study: the panels that compare its runs. Building it needs no server."""

import hashlib
import json
import warnings
from collections.abc import Sequence
from types import ModuleType
from typing import Any

from longlag.metric import Metric, Metrics
from longlag.report.columns import ALWAYS, PAGE, columns_of, curves_of, declared_metrics, most_layers
from longlag.runs import RunRecord
from longlag.runs.metrics_csv import read_columns
from longlag.wandb_internals import as_sent, fix_names, replace_view

#: The run that stands for the study logs the picture of the solve rates under this name.
SOLVE_RATES = "study/solve_rates"
_STEP = "trainer/global_step"


def build_workspace(study: str, runs: Sequence[RunRecord], project: str, entity: str) -> Any:
    """Return the workspace of a study; all ids follow from the study, so every call returns the same workspace.

    Args:
        study: the study, by which W&B groups its runs.
        runs: the runs of the study.
        project: the W&B project.
        entity: the W&B user or team.

    """
    ws, wr = _libraries()
    layers = most_layers(runs)
    metrics = declared_metrics(runs)
    columns = columns_of([*ALWAYS, *(key for run in runs for key in run.summary)], metrics, PAGE)
    judged = [metric.key for metric in columns if metric.key.startswith("test/") and metric.shown == "everywhere"]
    sections = [
        ws.Section(
            name=name,
            panels=panels,
            is_open=True,
            panel_settings=ws.SectionPanelSettings(x_axis=_STEP),
            layout_settings=ws.SectionLayoutSettings(columns=2, rows=max(1, (len(panels) + 1) // 2)),
        )
        for name, panels in (
            ("Solved", _solved(wr)),
            ("Curves, grouped over seeds", _curves(wr, runs, metrics)),
            ("Runs compared", _compared(wr, columns)),
            ("Error flow", _error_flow(wr, layers)),
        )
    ]
    workspace = ws.Workspace(
        entity=entity,
        project=project,
        name=f"longlag {study}",
        sections=sections,
        settings=ws.WorkspaceSettings(x_axis=_STEP, max_runs=100),
        runset_settings=ws.RunsetSettings(
            filters=ws.And(ws.Metric("Group") == study),
            order=[ws.Ordering(ws.Metric("Name"), ascending=True)],
            pinned_columns=[f"summary:{name}" for name in ("solved", "solved_sequences", *judged, "state")],
        ),
    )
    panels = {
        (section.name, number): identifier(study, section.name, number)
        for section in sections
        for number in range(len(section.panels))
    }
    fix_names(workspace, identifier(study), identifier(study, "runs"), panels)
    return workspace


def workspace_json(workspace: Any) -> str:
    """Return a workspace as the JSON that W&B receives."""
    return json.dumps(json.loads(as_sent(workspace)), indent=2, sort_keys=True, ensure_ascii=False) + "\n"


def save_workspace(workspace: Any) -> str:
    """Save a workspace, which replaces the earlier one of the study, and return its address.

    Raises:
        wandb.Error: W&B refuses the workspace, or does not answer.
        ValueError: the answer of W&B is not readable.

    """
    replace_view(workspace)
    workspace.save()
    return str(workspace.url)


def identifier(*of: object) -> str:
    """Return an id for W&B, eleven letters and digits, that depends on the arguments alone."""
    return hashlib.blake2s(repr(of).encode(), digest_size=6).hexdigest()[:11]


def _libraries() -> tuple[ModuleType, ModuleType]:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)  # raised by the library's own import
        import wandb_workspaces.reports.v2 as wr
        import wandb_workspaces.workspaces as ws
    return ws, wr


def _solved(wr: ModuleType) -> list[Any]:
    return [
        wr.MediaBrowser(title="Solve rate over T and forget bias", media_keys=[SOLVE_RATES], num_columns=1),
        wr.BarPlot(
            title="Solve rate",
            metrics=["solved"],
            range_x=(0, 1),
            title_x="share of the seeds that solve the task",
            max_bars_to_show=100,
            max_runs_to_show=1000,
            **_grouped(wr, "stderr"),
        ),
        wr.ScatterPlot(
            title="Does the early gradient at initialisation predict which runs are solved?",
            x=wr.SummaryMetric("early_gradient_init"),
            y=wr.SummaryMetric("val/acc.max"),
            z=wr.Config("task.T"),
            log_x=True,
        ),
    ]


def _curves(wr: ModuleType, runs: Sequence[RunRecord], metrics: Metrics) -> list[Any]:
    """Return a panel for each curve, and one against the training sequences for those that are shown everywhere."""

    def line(metric: Metric, x: str, x_title: str, title: str) -> Any:
        more: dict[str, Any] = {"range_y": (0, 1)} if metric.scale == "share" else {}
        more |= {"log_y": True} if metric.scale == "log" else {}
        bands = {"max_runs_to_show": 1000, **_grouped(wr, "minmax")}
        return wr.LinePlot(title=title, x=x, y=[metric.key], title_x=x_title, title_y=metric.label, **bands, **more)

    lines = []
    recorded = [key for run in runs for key in read_columns(run.folder.metrics)]
    for metric in curves_of(recorded, metrics, PAGE):
        title = metric.title[:1].upper() + metric.title[1:]
        lines.append(line(metric, _STEP, "optimizer steps", title))
        if metric.shown == "everywhere":
            lines.append(line(metric, "sequences", "training sequences", f"{title}, against sequences"))
    return lines


def _compared(wr: ModuleType, columns: Sequence[Metric]) -> list[Any]:
    """Return parallel coordinates from the settings over the start of the runs to their outcome, and a comparer."""
    starts = [metric for metric in columns if metric.key.endswith("_init")]
    outcomes = [metric for metric in columns if metric.key.startswith("test/") or metric.key == "solved_step"]
    settings = {"T": "task.T", "forget bias": "cell.forget_bias", "seed": "seed"}
    axis = wr.ParallelCoordinatesPlotColumn
    return [
        wr.ParallelCoordinatesPlot(
            title="From the settings to the outcome",
            columns=[
                *(axis(metric=wr.Config(key), display_name=name) for name, key in settings.items()),
                *(
                    axis(
                        metric=wr.SummaryMetric(metric.key),
                        display_name=metric.label,
                        log=metric.scale == "log" or None,
                    )
                    for metric in [*starts, *outcomes]
                ),
            ],
        ),
        wr.RunComparer(diff_only="split"),
    ]


def _error_flow(wr: ModuleType, layers: int) -> list[Any]:
    browsers = []
    for layer in range(1, layers + 1):
        place, of = ("error_flow", "") if layers == 1 else (f"error_flow/layer{layer}", f", layer {layer}")
        for name, title in (("map", "lag × training step"), ("curve", "along the lag")):
            browsers.append(wr.MediaBrowser(title=f"Error flow, {title}{of}", media_keys=[f"{place}/{name}"]))
    return browsers


def _grouped(wr: ModuleType, band: str) -> dict[str, Any]:
    """Return the arguments by which a panel groups runs over seeds: runs of one ``setting`` form a group."""
    return {"groupby": wr.Config("setting"), "groupby_aggfunc": "mean", "groupby_rangefunc": band}
