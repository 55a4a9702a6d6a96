"""The W&B workspace of a study: which panels compare its runs, built without a server."""

import hashlib
import json
import warnings
from collections.abc import Iterable, Sequence
from types import ModuleType
from typing import Any

from longlag.runs import RunRecord

#: Under this name the picture of the solve rates is logged, by the run that stands for the study.
SOLVE_RATES = "study/solve_rates"
_STEP = "trainer/global_step"


def build_workspace(study: str, runs: Sequence[RunRecord], project: str, entity: str) -> Any:
    """Return the workspace of a study; all names in it follow from the study, so that it is the same every time.

    Args:
        study: the study, by which W&B groups its runs.
        runs: its runs, as far as they are known here.
        project: the W&B project.
        entity: the W&B user or team.

    """
    ws, wr = _libraries()
    layers = max(map(_layers, runs), default=1)
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
            ("Curves, grouped over seeds", _curves(wr, layers)),
            ("Runs compared", _compared(wr)),
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
            pinned_columns=[f"summary:{name}" for name in ("solved", "solved_sequences", "test/acc", "state")],
        ),
    )
    for section in sections:
        for number, panel in enumerate(section.panels):
            panel._id = identifier(study, section.name, number)
    workspace._internal_name = f"nw-{identifier(study)}-v"  # the library would make one up
    workspace._internal_runset_id = identifier(study, "runs")
    return workspace


def workspace_json(workspace: Any) -> str:
    """Return a workspace as the JSON that W&B is sent."""
    model = json.loads(workspace._to_model().model_dump_json(by_alias=True, exclude_none=True))
    return json.dumps(model, indent=2, sort_keys=True, ensure_ascii=False) + "\n"


def save_workspace(workspace: Any) -> str:
    """Save a workspace, in the place of the one that this study had before, and return its address.

    Raises:
        wandb.Error: W&B does not take it, or cannot be reached.
        ValueError: what it answers is no answer.

    """
    from wandb_workspaces.workspaces.internal import get_view_dict

    name = workspace._internal_name.removeprefix("nw-").removesuffix("-v")
    try:
        workspace._internal_id = get_view_dict(workspace.entity, workspace.project, name)["id"]
    except ValueError:
        workspace._internal_id = ""  # there is none yet
    workspace.save()
    return str(workspace.url)


def identifier(*of: object) -> str:
    """Return a name for W&B that follows from what it names: eleven letters and digits."""
    return hashlib.blake2s(repr(of).encode(), digest_size=6).hexdigest()[:11]


def _libraries() -> tuple[ModuleType, ModuleType]:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)  # the library's own, as it is imported
        import wandb_workspaces.reports.v2 as wr
        import wandb_workspaces.workspaces as ws
    return ws, wr


def _layers(run: RunRecord) -> int:
    model = run.config.get("model")
    layers = model.get("layers", 1) if isinstance(model, dict) else 1
    return layers if isinstance(layers, int) else 1


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
            title="Does the early gradient at initialisation tell which runs get there?",
            x=wr.SummaryMetric("early_gradient_init"),
            y=wr.SummaryMetric("val/acc.max"),
            z=wr.Config("task.T"),
            log_x=True,
        ),
    ]


def _curves(wr: ModuleType, layers: int) -> list[Any]:
    def line(title: str, y: str, unit: str, x: str = _STEP, **more: Any) -> Any:
        axis = "training sequences" if x == "sequences" else "optimizer steps"
        bands = {"max_runs_to_show": 1000, **_grouped(wr, "minmax")}
        return wr.LinePlot(title=title, x=x, y=[y], title_x=axis, title_y=unit, **bands, **more)

    found = [
        line("Validation accuracy", "val/acc", "accuracy", range_y=(0, 1)),
        line("Validation accuracy, against sequences", "val/acc", "accuracy", "sequences", range_y=(0, 1)),
        line("Early gradient", "early_gradient", "mean |dy/dx| at t = 0", log_y=True),
        line("Early gradient, against sequences", "early_gradient", "mean |dy/dx| at t = 0", "sequences", log_y=True),
        line("Training loss", "train/loss", "loss", log_y=True),
        line("Gradient norm", "train/grad_norm", "norm before clipping", log_y=True),
    ]
    for layer in range(1, layers + 1):
        for what in ("gradient", "memory"):
            title = f"Half-life of the {what}" + ("" if layers == 1 else f", layer {layer}")
            found.append(line(title, f"layer{layer}/{what}_half_life", "steps", log_y=True))
    return found


def _compared(wr: ModuleType) -> list[Any]:
    columns: Iterable[tuple[str, Any, bool]] = (
        ("T", wr.Config("task.T"), False),
        ("forget bias", wr.Config("cell.forget_bias"), False),
        ("seed", wr.Config("seed"), False),
        ("early gradient at initialisation", wr.SummaryMetric("early_gradient_init"), True),
        ("gradient half-life at initialisation", wr.SummaryMetric("layer1/gradient_half_life_init"), True),
        ("test accuracy", wr.SummaryMetric("test/acc"), False),
        ("solved at step", wr.SummaryMetric("solved_step"), True),
    )
    return [
        wr.ParallelCoordinatesPlot(
            title="From the settings to the outcome",
            columns=[
                wr.ParallelCoordinatesPlotColumn(metric=metric, display_name=name, log=log or None)
                for name, metric, log in columns
            ],
        ),
        wr.RunComparer(diff_only="split"),
    ]


def _error_flow(wr: ModuleType, layers: int) -> list[Any]:
    found = []
    for layer in range(1, layers + 1):
        place, of = ("error_flow", "") if layers == 1 else (f"error_flow/layer{layer}", f", layer {layer}")
        for name, title in (("map", "lag × training step"), ("curve", "along the lag")):
            found.append(wr.MediaBrowser(title=f"Error flow, {title}{of}", media_keys=[f"{place}/{name}"]))
    return found


def _grouped(wr: ModuleType, band: str) -> dict[str, Any]:
    """Return what makes a panel group runs over seeds; ``setting`` is what they then have in common."""
    return {"groupby": wr.Config("setting"), "groupby_aggfunc": "mean", "groupby_rangefunc": band}
