"""The published rows of a paper, from ``conf/papers/NAME.csv``."""

import csv
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from longlag.errors import RequestError, near
from longlag.settings.compose import conf_dir


class Until(NamedTuple):
    """A condition on a recorded figure, from which on a trial has succeeded: ``val/acc>=0.98``."""

    key: str
    above: bool
    bound: float

    def met(self, value: float) -> bool:
        """Return whether a value meets the condition."""
        return value >= self.bound if self.above else value <= self.bound


@dataclass(frozen=True)
class PublishedRow:
    """A row of a table of a paper.

    Args:
        name: of the row.
        experiment: whose trials the row is about, a YAML in ``conf/experiment/PAPER``.
        until: when a trial has succeeded; ``None``: when the task says that it is solved.
        method: as the paper calls it.
        weights: how many the net has.
        learning_rate: of the row.
        trials: how many there were.
        success: their share that succeeded.
        success_printed: whether the paper prints this share; else it gives a mean of all trials, so all succeeded.
        sequences: the mean number of training sequences until success.
        wrong: the share of wrong test sequences; ``None`` if the paper gives none.
        source: where the paper has it.
        note: what our experiment lacks of the protocol.

    """

    name: str
    experiment: str
    until: Until | None
    method: str
    weights: int
    learning_rate: float
    trials: int
    success: float
    success_printed: bool
    sequences: float
    wrong: float | None
    source: str
    note: str


def paper_names() -> list[str]:
    """Return the names of the papers."""
    return sorted(path.stem for path in (conf_dir() / "papers").glob("*.csv"))


def read_paper(name: str) -> list[PublishedRow]:
    """Read the published rows of a paper.

    Raises:
        RequestError: there is no such paper.

    """
    names = paper_names()
    if name not in names:
        hint = "".join(f"; did you mean {each}?" for each in near(name, names)[:1])
        raise RequestError(f"no paper {name!r}" + (hint or f": there is {', '.join(names)}"))
    lines = (conf_dir() / "papers" / f"{name}.csv").read_text().splitlines()
    return [_row(fields) for fields in csv.DictReader(line for line in lines if not line.startswith("#"))]


def selected(rows: Sequence[PublishedRow], wanted: Iterable[str]) -> list[PublishedRow]:
    """Return the rows whose names begin with one of those wanted: ``3a`` takes all rows of Experiment 3a.

    A number is never cut: ``4-T100`` does not take ``4-T1000``.

    Raises:
        RequestError: no row has such a name.

    """
    chosen: set[str] = set()
    for name in wanted:
        found = [row.name for row in rows if re.match(re.escape(name) + r"(?!\d)", row.name)]
        if not found or not name:
            known = sorted({row.name.split("-")[0] for row in rows})
            raise RequestError(f"no row {name!r}: rows begin with {', '.join(known)}")
        chosen.update(found)
    return [row for row in rows if row.name in chosen]


def _row(fields: dict[str, str]) -> PublishedRow:
    return PublishedRow(
        name=fields["row"],
        experiment=fields["experiment"],
        until=_until(fields["until"]),
        method=fields["method"],
        weights=int(fields["weights"]),
        learning_rate=float(fields["lr"]),
        trials=int(fields["trials"]),
        success=float(fields["success"] or 100) / 100,
        success_printed=bool(fields["success"]),
        sequences=float(fields["sequences"]),
        wrong=float(fields["wrong"]) if fields["wrong"] else None,
        source=fields["source"],
        note=fields["note"],
    )


def _until(text: str) -> Until | None:
    if not text:
        return None
    found = re.fullmatch(r"(\S+?)(>=|<=)(\S+)", text)
    assert found is not None, text
    return Until(found[1], found[2] == ">=", float(found[3]))
