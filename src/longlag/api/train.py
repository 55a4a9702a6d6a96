"""Train one run from Python, with the code that the command line uses."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from longlag.api.run import Run, load_run
from longlag.errors import RequestError


def train(
    settings: Mapping[str, Any], output_dir: str | Path = "outputs", *, fresh: bool = False, quiet: bool = False
) -> Run:
    """Train one run as ``longlag train`` does, and return what it left in its folder.

    ::

        run = longlag.train(longlag.compose("cell=gru", "task.T=40", "study=first"))
        run.status.state, run.summary["test/acc"]

    A run that is there already is not trained again: it is returned as it is, and it goes on where it was cut or where
    ``trainer.max_steps`` is larger now. An error inside of the run does not raise: ``run.status`` then says ``failed``
    and why. It says ``paused`` where ``trainer.max_time`` was over, and the same call goes on. The global random
    generators are left as they were.

    Args:
        settings: as :func:`longlag.compose` returns them, with changes of yours.
        output_dir: the run's folder is ``output_dir/STUDY/RUN``.
        fresh: train again; the run that is there is set aside.
        quiet: print nothing.

    Raises:
        RequestError: a setting is wrong, or another process trains this run now.
        KeyboardInterrupt: the run was interrupted; the same call goes on with it.

    """
    from lightning.pytorch.utilities.seed import isolate_rng
    from rich.console import Console

    from longlag.jobs.alone import run_alone
    from longlag.jobs.job import Job
    from longlag.runs import RunFolder
    from longlag.settings.environment import values_of
    from longlag.settings.names import folder_name

    settings = _checked(settings)
    folder = RunFolder(Path(output_dir) / settings["study"] / folder_name(values_of(settings)))
    job = Job(settings, folder, fresh)
    if job.nodes != 1:
        raise RequestError(f"trainer.num_nodes must be 1 in longlag.train, got {job.nodes!r}")
    with isolate_rng():
        run_alone(job, Console(stderr=True, quiet=quiet))
    return load_run(folder.path, trust=True)


def _checked(settings: Mapping[str, Any]) -> dict[str, Any]:
    """Return a copy of settings, in which ``run`` follows from the others.

    Raises:
        RequestError: a key is missing or unknown, or its value is of the wrong kind.

    """
    from omegaconf import OmegaConf

    from longlag.settings.environment import resolved, with_names
    from longlag.settings.stored import checked_run

    values, names = resolved(OmegaConf.create(dict(settings)))
    checked = checked_run(values)
    checked["run"] |= {"T": checked["task"].get("T"), "seed": checked["seed"]}
    if not checked["init"]:
        checked["run"]["forget_bias"] = checked["cell"].get("forget_bias")
    return with_names(checked, names)
