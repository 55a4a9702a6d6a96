"""Which metrics the tables and figures of runs show, by the declarations of the metrics."""

from collections.abc import Iterable, Sequence
from dataclasses import replace

from longlag.built_in_metrics import BUILT_IN_METRICS
from longlag.metric import SPLITS, Metric, Metrics, Shown
from longlag.runs import RunRecord

#: The values of ``Metric.shown`` for the terminal, which has little room, and for the page, which has more.
TERMINAL: tuple[Shown, ...] = ("everywhere",)
PAGE: tuple[Shown, ...] = ("everywhere", "page")
#: Columns that a table has even if no run has ended.
ALWAYS = ("test/acc", "solved_step")


def declared_metrics(runs: Sequence[RunRecord]) -> Metrics:
    """Return the declarations of the metrics of runs: accuracy, those of the runs, then the others of longlag."""
    declared = {key: metric for run in runs for key, metric in run.folder.read_metric_declarations().items()}
    accuracy, *others = (declared.pop(metric.key, metric) for metric in BUILT_IN_METRICS)
    return Metrics([accuracy, *declared.values(), *others], name_layers=most_layers(runs) > 1)


def most_layers(runs: Sequence[RunRecord]) -> int:
    """Return the number of layers of the run that has the most, by its settings; 1 where they do not say."""
    models = [run.config.get("model") for run in runs]
    layers = [model.get("layers") for model in models if isinstance(model, dict)]
    return max((number for number in layers if isinstance(number, int)), default=1)


def columns_of(keys: Iterable[str], metrics: Metrics, shown: Sequence[Shown]) -> list[Metric]:
    """Return the metrics that a table of runs has a column for, in the order of their declarations.

    A table has one value a run: the test split, the whole run, or a curve of a probe at its start and at its end. The
    curves of the other splits are left to the figures.

    Args:
        keys: of the summaries of the runs.
        metrics: their declarations.
        shown: the values of ``Metric.shown`` that the table has room for.

    """
    splits = set(SPLITS) - {"test"}
    chosen = [key for key in metrics.ordered(keys) if metrics[key].shown in shown and _prefix(key) not in splits]
    return [replace(metrics[f"{key}_end"], key=key) if metrics[key].curve else metrics[key] for key in chosen]


def curves_of(keys: Iterable[str], metrics: Metrics, shown: Sequence[Shown]) -> list[Metric]:
    """Return the metrics whose curves are shown, in the order of their declarations.

    Args:
        keys: the columns of ``metrics.csv`` of the runs.
        metrics: their declarations.
        shown: the values of ``Metric.shown`` that there is room for.

    """
    return [metrics[key] for key in metrics.ordered(keys) if metrics[key].curve and metrics[key].shown in shown]


def _prefix(key: str) -> str:
    return key.partition("/")[0]
