"""W&B as the mirror of a run folder."""

import math
import re
import secrets
import tempfile
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import wandb
from lightning.pytorch.loggers import WandbLogger
from lightning_utilities.core.rank_zero import rank_zero_only

from longlag.runs import RunFolder
from longlag.runs.error_flow_csv import Lags, read_error_flow
from longlag.runs.files import open_file, read_text, write_whole
from longlag.runs.metrics_csv import read_metrics
from longlag.task.lightning_internals import is_first_process
from longlag.training.loggers.recorder import Recorder
from longlag.training.loggers.run_info import RunInfo
from longlag.wandb_internals import last_step, own_environment, packages_listed_once, quiet_settings


class WandbMirror(Recorder, WandbLogger):
    """W&B's own Lightning logger, with the axes, names, summary and pictures of a longlag run.

    Args:
        info: the run.
        mode: ``offline`` or ``online``.
        project: the W&B project.
        entity: the W&B user or team; ``None`` for the default one.

    Raises:
        ConnectionError: there is no account, or no way to the server.

    """

    def __init__(self, info: RunInfo, mode: str, project: str, entity: str | None) -> None:
        self.info = info
        self._summary: dict[str, Any] = {}
        self._row: dict[str, Any] = {}
        before = last_step(_offline(info.folder)) if mode == "offline" and info.resume_at is not None else None
        self.run = _started(info, mode, project, entity) if is_first_process() else None
        super().__init__(name=info.name, save_dir=info.folder.path, project=project, experiment=self.run)
        if mode == "offline" and info.resume_at is not None and is_first_process():
            self._make_up(before, info.resume_at)

    def _make_up(self, before: int | None, until: int) -> None:
        """Send the rows of ``metrics.csv`` that W&B lacks: a process that was killed takes its latest rows along.

        Args:
            before: the last step of which the offline files have a row.
            until: the step at which the run goes on.

        """
        path = self.info.folder.metrics
        for step, row in sorted(read_metrics(path).items()) if path.exists() else ():
            if (-1 if before is None else before) < step <= until:
                self.add({name: value for name, value in row.items() if not name.startswith("test/")}, step)

    def add(self, values: Mapping[str, float], step: int) -> None:
        """Add figures to the row of a step, without those that are not finite: W&B would take them for text.

        W&B's own count of steps is set to the optimizer step, so that the parts of a resumed run follow each other when
        they are uploaded. A row is sent when the next one begins: W&B holds it back as long, and each call costs.
        """
        if self._row.get("trainer/global_step") != step:
            self._send()
        self._row |= {name: value for name, value in values.items() if math.isfinite(value)}
        self._row["trainer/global_step"] = step

    def _send(self) -> None:
        if self.run is not None and self._row:
            self.run.log(self._row, step=self._row["trainer/global_step"])
        self._row = {}

    @rank_zero_only
    def write_summary(self, summary: dict[str, Any]) -> None:
        """Set the figures by which runs are compared, when the run is closed; numbers where means are to be taken."""
        values = {name: int(value) if isinstance(value, bool) else value for name, value in summary.items()}
        for name, best_is in self.info.best_is.items():  # W&B itself knows only the part since the run was resumed
            if name in values:
                best = values.get(f"{name}_{best_is}")
                values[name] = {"last": values[name]} | ({} if best is None else {best_is: best})
        self._summary = values

    @rank_zero_only
    def close(self, exit_code: int) -> None:
        """Write the summary, and end the W&B run; draw the error flow that lies in the folder of a run that has ended.

        Without the end, the figures of the next run in this process would land in this one. A run that was stopped
        draws nothing: it is to stop at once, and draws when it has gone on.
        """
        if self.run is None:
            return
        pictures: dict[str, wandb.Image] = {}
        with tempfile.TemporaryDirectory() as folder:  # W&B copies the files when they are logged
            try:
                path = self.info.folder.error_flow
                if exit_code == 0 and path.exists():
                    pictures = _pictures(read_error_flow(path), Path(folder))
            finally:
                self._send()
                self.run.log(pictures)  # this ends the last row, which would overwrite the summary
                self.run.summary.update(self._summary)
                self.run.finish(exit_code=exit_code)


def _offline(folder: RunFolder) -> Iterator[bytes]:
    """Yield the contents of the offline files of a run."""
    for path in folder.path.glob("wandb/offline-run-*/run-*.wandb"):
        with open_file(path, "rb") as file:
            yield file.read()


def _pictures(flows: Mapping[tuple[int, int], Lags], folder: Path) -> dict[str, wandb.Image]:
    """Draw a map and curves of the error flow of each layer: the keys under which W&B shows them -> pictures."""
    from longlag.training.loggers.wandb_pictures import draw_curves, draw_map  # matplotlib, only where it draws

    layers = sorted({layer for _, layer in flows})
    pictures = {}
    for layer in layers:
        one = {step: flows[step, k] for step, k in sorted(flows) if k == layer}
        place = "error_flow" if len(layers) == 1 else f"error_flow/layer{layer}"
        for name, draw in (("map", draw_map), ("curve", draw_curves)):
            path = folder / f"{name}{layer}.png"
            caption = draw(one, path)
            pictures[f"{place}/{name}"] = wandb.Image(str(path), caption=caption)
    return pictures


def _started(info: RunInfo, mode: str, project: str, entity: str | None) -> wandb.Run:
    """Start the W&B run; the curves' axis is the optimizer step, with the training sequences in every row beside it.

    Raises:
        ConnectionError: there is no account, or no way to the server.

    """
    try:
        with own_environment(), packages_listed_once():
            run = wandb.init(
                dir=info.folder.path.resolve(),  # W&B's service process has a current folder of its own
                id=_wandb_id(info.folder.path / "wandb"),
                resume="allow",
                name=info.name,
                project=project,
                entity=entity,
                group=info.study,
                job_type="train",
                tags=list(info.tags),
                reinit="create_new",  # a population has many runs in one process
                config={**info.config, "setting": info.setting},
                mode="online" if mode == "online" else "offline",
                settings=quiet_settings(silent=mode == "offline", init_timeout=30),
            )
    except wandb.Error as error:
        reason = str(error).splitlines()[0].rstrip(".")
        raise ConnectionError(
            f"W&B did not start: {reason}; logger.mode=offline needs no account, no network"
        ) from error
    run.define_metric("trainer/global_step")
    run.define_metric("*", step_metric="trainer/global_step", step_sync=True)
    run.define_metric("sequences", step_metric="trainer/global_step", step_sync=True)  # the other axis
    for name, best_is in info.best_is.items():
        run.define_metric(name, step_metric="trainer/global_step", step_sync=True, summary=f"last,{best_is}")
    return run


def _wandb_id(folder: Path) -> str:
    """Return the id under which W&B knows the run; it is kept in the folder, so that a resumed run is the same one."""
    path = folder / "run-id"
    if not path.exists():
        folder.mkdir(parents=True, exist_ok=True)
        write_whole(path, secrets.token_hex(4))
    name = read_text(path)
    if not re.fullmatch(r"[\w-]{1,128}", name):
        raise ValueError(f"{path} holds no name of a W&B run")
    return name
