"""The runs of a study, read back as tidy tables."""

import warnings
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any, Literal, overload

from longlag.api.run import Run
from longlag.errors import RequestError
from longlag.report.curves import RunCurves, read_curves
from longlag.report.records import FACTS, fact, flat_row, varied_keys
from longlag.runs import DamagedRunError, RunRecord, has_run, read_study, whole_run
from longlag.runs.schema import flattened

Rows = list[dict[str, Any]]
As = Literal["pandas", "records"]
Warn = Callable[[str], None]


def _warn(message: str) -> None:
    warnings.warn(message, stacklevel=4)


class Study(Sequence[Run]):
    """The runs of one study or of several: a sequence of :class:`longlag.Run`, and tables of them.

    ::

        study = longlag.load_study("outputs/first")
        best = max(study, key=lambda run: run.summary["val/acc"])
        study.runs()  # a DataFrame; study.runs(as_="records") is a list of dicts

    Args:
        records: what was read from the folders.
        warn: gets a line about each file that cannot be read.
        trust: as for :func:`longlag.load_run`.

    """

    def __init__(self, records: Sequence[RunRecord], warn: Warn = _warn, trust: bool = False) -> None:
        self.records = list(records)
        self._warn = warn
        self._trust = trust

    def __len__(self) -> int:
        """Return the number of runs."""
        return len(self.records)

    def __iter__(self) -> Iterator[Run]:
        """Iterate over the runs."""
        return (Run(record, self._trust) for record in self.records)

    @overload
    def __getitem__(self, index: int) -> Run: ...
    @overload
    def __getitem__(self, index: slice) -> "Study": ...
    def __getitem__(self, index: int | slice) -> "Run | Study":
        """Return a run, or some of the runs as a study."""
        if isinstance(index, slice):
            return Study(self.records[index], self._warn, self._trust)
        return Run(self.records[index], self._trust)

    def __repr__(self) -> str:
        """Return the number of runs."""
        return f"Study of {len(self)} runs"

    @overload
    def runs(self, as_: Literal["pandas"] = "pandas") -> Any: ...
    @overload
    def runs(self, as_: Literal["records"]) -> Rows: ...
    def runs(self, as_: As = "pandas") -> Any:
        """Return a table with a row for each run: cell, task, T, forget bias, seed, state, figures and settings.

        Args:
            as_: ``pandas`` for a DataFrame, ``records`` for a list of dicts. A setting is named as one types it, with
                ``config.`` before it: ``config.optimizer.lr``.

        Raises:
            RequestError: pandas is wanted and not installed.

        """
        return _table([flat_row(record) for record in self.records], as_)

    @overload
    def curves(self, as_: Literal["pandas"] = "pandas") -> Any: ...
    @overload
    def curves(self, as_: Literal["records"]) -> Rows: ...
    def curves(self, as_: As = "pandas") -> Any:
        """Return a table with a row for each run and optimizer step: the figures of ``metrics.csv``.

        Each row says which run it is of: cell, task, T, forget bias, seed, folder, and the settings in which the runs
        differ. A figure that was not measured at a step is missing.

        Args:
            as_: ``pandas`` for a DataFrame, ``records`` for a list of dicts.

        Raises:
            RequestError: pandas is wanted and not installed.

        """
        rows = [
            {**run, "step": step, **figures}
            for run, curves in self._curves()
            for step, figures in sorted(curves.metrics.items())
        ]
        return _table(rows, as_)

    @overload
    def error_flow(self, as_: Literal["pandas"] = "pandas") -> Any: ...
    @overload
    def error_flow(self, as_: Literal["records"]) -> Rows: ...
    def error_flow(self, as_: As = "pandas") -> Any:
        """Return a table with a row for each run, optimizer step, layer and lag: the gradient norms that flow back.

        The norms are log10, as in ``error_flow.csv``: ``dx``, ``dh``, ``dc`` and more, see docs/error_flow.md. Each row
        says which run it is of, as in :meth:`curves`.

        Args:
            as_: ``pandas`` for a DataFrame, ``records`` for a list of dicts.

        Raises:
            RequestError: pandas is wanted and not installed.

        """
        rows = []
        for run, curves in self._curves():
            for (step, layer), columns in sorted(curves.flow.items()):
                for lag, values in enumerate(zip(*columns.values(), strict=True)):
                    norms = dict(zip(columns, values, strict=True))
                    rows.append({**run, "step": step, "layer": layer, "lag": lag, **norms})
        return _table(rows, as_)

    def _curves(self) -> Iterator[tuple[dict[str, Any], RunCurves]]:
        """Yield what tells each run from the others, and its curves."""
        varied = varied_keys(self.records)
        for curves in read_curves(self.records, self._warn):
            record, settings = curves.record, flattened(curves.record.config)
            facts = {name: fact(record, name) for name in (*FACTS, "seed")}
            facts["folder"] = str(record.folder.path)
            yield facts | {f"config.{key}": settings.get(key) for key in varied}, curves


def load_study(folders: str | Path | Sequence[str | Path], warn: Warn = _warn, trust: bool = False) -> Study:
    """Read the runs of a study, or of several.

    ::

        study = longlag.load_study("outputs/first")
        curves = study.curves()  # one row for each run and step
        curves[curves.cell == "lstm"].plot(x="step", y="val/acc")

    Args:
        folders: a folder, or several; each is a study or a run.
        warn: gets a line about each folder that holds no run, and each file that cannot be read; Python's warnings by
            default.
        trust: as for :func:`longlag.load_run`.

    Raises:
        RequestError: there is no run in the folders, the only folder is none, or a folder cannot be read.

    """
    paths = [Path(folders)] if isinstance(folders, str | Path) else [Path(folder) for folder in folders]
    records = [record for path in paths for record in _records(path, len(paths) == 1, warn)]
    each_once = list({record.folder.path.resolve(): record for record in records}.values())
    if not each_once:
        raise RequestError(f"no run in {', '.join(map(str, paths))}")
    return Study(each_once, warn, trust)


def _records(folder: Path, alone: bool, warn: Warn) -> list[RunRecord]:
    """Return the runs of a study, or the run that the folder is.

    Raises:
        RequestError: the only folder is none, or holds a run that cannot be read.

    """
    if not folder.is_dir():
        if alone:
            raise RequestError(f"{folder} is no folder")
        warn(f"{folder} is no folder")
        return []
    try:
        if has_run(folder):
            return [whole_run(folder)]
        if alone and _holds_studies(folder):
            raise RequestError(f"{folder} holds studies, and no run of its own; {folder}/* names them all")
        return read_study(folder, warn)
    except DamagedRunError as error:
        if alone:
            raise
        warn(str(error))
        return []
    except OSError as error:
        raise RequestError(f"cannot read {folder}: {error.strerror}") from error


def _holds_studies(folder: Path) -> bool:
    """Return whether a folder has no run in it, but a folder in it has."""
    return not any(folder.glob("*/status.json")) and any(folder.glob("*/*/status.json"))


def _table(rows: Rows, as_: As) -> Any:
    if as_ == "records":
        return rows
    if as_ != "pandas":
        raise RequestError(f"as_ must be pandas or records, got {as_!r}")
    try:
        import pandas
    except ImportError:
        raise RequestError(
            'pandas is not installed (pip install pandas); as_="records" gives a list of dicts'
        ) from None
    return pandas.DataFrame(rows)
