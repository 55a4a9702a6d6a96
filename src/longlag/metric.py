"""A metric declares its title, unit, scale and direction once; tables, figures, the page and W&B follow.

A task, a probe or a metric of a reader declares its metrics beside the code that measures them, and the run writes
these declarations to ``metrics.json`` in its folder. :mod:`longlag.built_in_metrics` declares the metrics that every
run may record; a run need not write these.

A declaration of ``acc`` holds for ``val/acc``, ``train/acc``, ``recent/acc`` and ``test/acc``; one of
``gradient_half_life`` for ``layer2/gradient_half_life`` and ``layer2/gradient_half_life_init``; one of ``gate_*`` for
``gate_f``. So a metric has one declaration for all splits, layers and moments.
"""

import re
from collections.abc import Iterable
from dataclasses import asdict, dataclass, replace
from typing import Any, Literal, get_args

Scale = Literal["linear", "log", "share"]
Better = Literal["higher", "lower"]
Shown = Literal["everywhere", "page", "on request"]

#: The split in front of a key -> its name in a title.
SPLITS = {"val": "validation", "train": "training", "recent": "recent training", "test": "test"}
#: The end of a key of ``summary.json`` -> the moment of the value.
MOMENTS = {"init": "at start", "end": "at end", "max": "at best", "min": "at best"}


@dataclass(frozen=True)
class Metric:
    """The declaration of a metric.

    Args:
        key: its name in ``metrics.csv`` and ``summary.json``, such as ``early_gradient``; without the split, the layer
            and the moment, see the module. One ``*`` in the key stands for any name; the same name replaces ``*`` in
            the title.
        title: its name for a person, such as ``accuracy``.
        unit: of its values; empty for a plain number.
        scale: how its axis is drawn; ``share`` is linear from 0 to 1.
        better: which direction is better; ``None`` where neither is.
        curve: whether it has a value for each recorded step, or one for the whole run.
        shown: ``everywhere``: the terminal's table, the page, W&B and the figures show it. ``page``: the page and W&B,
            which have more room, show it. ``on request``: a reader can choose it among the curves of the page.

    Raises:
        ValueError: there is no such scale, direction or place.
        TypeError: a key, title or unit is not text.

    """

    key: str
    title: str
    unit: str = ""
    scale: Scale = "linear"
    better: Better | None = None
    curve: bool = True
    shown: Shown = "everywhere"

    def __post_init__(self) -> None:
        for name in ("key", "title", "unit"):
            if not isinstance(getattr(self, name), str):
                raise TypeError(f"{name} must be text, got {getattr(self, name)!r}")
        choices = {"scale": get_args(Scale), "better": (*get_args(Better), None), "shown": get_args(Shown)}
        for name, allowed in choices.items():
            if getattr(self, name) not in allowed:
                raise ValueError(f"{name} must be one of {', '.join(map(str, allowed))}; got {getattr(self, name)!r}")

    @property
    def label(self) -> str:
        """The title with the unit, for an axis or a column."""
        return f"{self.title} ({self.unit})" if self.unit else self.title

    def of(self, key: str, title: str) -> "Metric":
        """Return the declaration of this metric on a part of the data: ``of("val", "validation")``."""
        return replace(self, key=f"{key}/{self.key}", title=f"{title} {self.title}")

    def at(self, key: str, title: str) -> "Metric":
        """Return the declaration of one value of this curve: ``at("init", "at start")``."""
        return replace(self, key=f"{self.key}_{key}", title=f"{self.title} {title}", curve=False)

    def to_dict(self) -> dict[str, Any]:
        """Return the declaration as plain containers."""
        return asdict(self)


class Metrics:
    """Declarations of metrics, looked up by the keys under which runs record values.

    Args:
        declared: the declarations; the later one replaces an earlier one with the same key.
        name_layers: whether titles name the layer; needless where there is one.

    """

    def __init__(self, declared: Iterable[Metric], name_layers: bool = True) -> None:
        self._name_layers = name_layers
        self._declared = {metric.key: metric for metric in declared}
        self._places = {key: place for place, key in enumerate(self._declared)}
        patterns = sorted((key for key in self._declared if "*" in key), key=len, reverse=True)  # gate_*_shut first
        self._patterns = {key: re.compile(re.escape(key).replace(r"\*", "(.+)")) for key in patterns}
        self._resolved: dict[str, tuple[Metric, int]] = {}

    def __getitem__(self, key: str) -> Metric:
        """Return the declaration of a key; where there is none, one whose title is made from the key."""
        return self._resolve(key)[0]

    def ordered(self, keys: Iterable[str]) -> list[str]:
        """Return each key once, in the order of the declarations; then of the splits or layers, the start first."""
        splits = list(SPLITS)

        def place(key: str) -> tuple[int, int, str, bool]:
            prefix = key.rpartition("/")[0]
            split = splits.index(prefix) if prefix in splits else -1
            return self._resolve(key)[1], split, prefix, not key.endswith("_init")

        return sorted(dict.fromkeys(keys), key=place)

    def _resolve(self, key: str) -> tuple[Metric, int]:
        """Return the declaration of a key and its place among the declarations."""
        if key not in self._resolved:
            metric, place = self._derive(key)
            if key in self._declared:  # val/acc may be declared by itself; it stands where acc stands
                metric, place = self._declared[key], min(place, self._places[key])
            self._resolved[key] = replace(metric, key=key), place
        return self._resolved[key]

    def _derive(self, key: str) -> tuple[Metric, int]:
        """Derive a declaration from the one without the split, the layer or the moment, or from one with a ``*``."""
        prefix, _, rest = key.partition("/")
        if rest and prefix in SPLITS:
            metric, place = self._resolve(rest)
            curve = metric.curve and prefix != "test"
            return replace(metric.of(prefix, SPLITS[prefix]), curve=curve), place
        if rest and (layer := re.fullmatch(r"layer(\d+)", prefix)):
            metric, place = self._resolve(rest)
            title = f"{metric.title}, layer {layer[1]}" if self._name_layers else metric.title
            return replace(metric, title=title), place
        name, _, moment = key.rpartition("_")
        if name and moment in MOMENTS:
            metric, place = self._resolve(name)
            return metric.at(moment, MOMENTS[moment]), place
        for pattern, expression in self._patterns.items():
            if match := expression.fullmatch(key):
                metric = self._declared[pattern]
                return replace(metric, title=metric.title.replace("*", match[1])), self._places[pattern]
        return Metric(key, re.sub("[_/]+", " ", key), shown="on request"), len(self._declared)
