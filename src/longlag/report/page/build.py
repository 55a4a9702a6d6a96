"""Runs -> one HTML file: the data, our scripts and styles, and Plotly's JavaScript, all in one file."""

import html
import json
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict
from importlib.resources import files
from typing import Any

from plotly.offline import get_plotlyjs  # type: ignore[import-untyped]

from longlag import __version__
from longlag.report.curves import RunCurves
from longlag.report.page.data import flow_most, page_data
from longlag.report.page.read import PageRun, read_for_page
from longlag.report.statistics.prediction import predictions, sentences
from longlag.runs import RunRecord
from longlag.runs.status import now

#: Our scripts; each needs the ones before it.
SCRIPTS = (
    "statistics", "data", "theme", "figures", "table", "filters", "curves", "flow", "rates", "parallel",
    "differences", "prediction", "main",
)  # fmt: skip

#: Resamples of the bootstrap: fewer for many runs, so that a thousand runs take seconds, but never too few.
_RESAMPLES, _RESAMPLED, _FEWEST_RESAMPLES = 2000, 400_000, 200


def build_page(records: Sequence[RunRecord], warn: Callable[[str], None] = lambda message: None) -> str:
    """Return the page about runs.

    Args:
        records: the runs, at least one.
        warn: receives a line for each file that cannot be read; the page then shows the run without its curves.

    """
    kept: list[RunCurves] = []
    data = page_data(_read_one_by_one(records, warn, kept), records)
    resamples = max(_FEWEST_RESAMPLES, min(_RESAMPLES, _RESAMPLED // len(kept)))
    made = predictions(kept, resamples)
    data |= {
        "prediction": {
            "sentences": sentences(made),
            "rows": [asdict(prediction) for prediction in made],
            "resamples": resamples,
        },
        "made": now(),
        "longlag": __version__,
    }
    return _filled(
        _part("page.html"),
        title=html.escape(", ".join(dict.fromkeys(run["study"] for run in data["runs"]))),
        style=_part("page.css"),
        plotly=get_plotlyjs().replace("</script", "<\\/script"),
        data=script_safe(data),
        scripts="\n".join(_part(f"{name}.js") for name in SCRIPTS),
    )


def script_safe(data: Any) -> str:
    """Return data as JSON that is safe inside of a ``<script>``, whatever texts the data hold."""
    text = json.dumps(data, ensure_ascii=False, allow_nan=False, separators=(",", ":"))
    for character in "<>&\u2028\u2029":
        text = text.replace(character, f"\\u{ord(character):04x}")
    return text.encode("utf-8", "backslashreplace").decode()  # a lone surrogate becomes its escape


def _read_one_by_one(
    records: Sequence[RunRecord], warn: Callable[[str], None], kept: list[RunCurves]
) -> Iterator[PageRun]:
    """Yield each run with its curves, and append it to ``kept`` without its error flow."""
    for record in records:
        run = read_for_page(record, flow_most(len(records)), warn)
        kept.append(RunCurves(record, run.metrics, {}))
        yield run


def _part(name: str) -> str:
    return (files(__package__) / "assets" / name).read_text(encoding="utf-8")


def _filled(template: str, **parts: str) -> str:
    """Replace each ``{{name}}`` of the template, once, by the part of this name; parts are not searched for names."""
    pieces = []
    for name, part in parts.items():
        before, template = template.split(f"{{{{{name}}}}}")
        pieces += [before, part]
    return "".join([*pieces, template])
