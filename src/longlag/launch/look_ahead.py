"""The look ahead at a grid: all jobs are composed and checked before the first one runs."""

import importlib.util
import logging
from collections import Counter
from collections.abc import Sequence
from functools import partial
from typing import TYPE_CHECKING, Any

import hydra
from hydra.core.global_hydra import GlobalHydra
from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.experimental.callback import Callback
from omegaconf import DictConfig, OmegaConf
from rich.console import Console

from longlag.errors import RequestError
from longlag.launch.session import Session, session
from longlag.settings.compose import grid, known_keys
from longlag.settings.messages import explained
from longlag.settings.schema import check_population

if TYPE_CHECKING:
    from longlag.jobs.job import Job

#: The most members at once with ``population=auto``. A member of the usual size takes some megabytes for its batch on
#: the way back and for its tables, so this many fit into the memory that one core has for itself on most machines.
AUTO_AT_ONCE = 256
#: launcher or sweeper -> (a package that it needs, the extra of longlag that brings it)
_EXTRAS = {"slurm": ("submitit", "slurm"), "ray": ("ray", "ray"), "optuna": ("optuna", "search")}


class LookAhead(Callback):
    """Check every job of a grid before the first one runs: a wrong request costs no run."""

    def on_multirun_start(self, config: DictConfig, **kwargs: Any) -> None:
        """Check the jobs of a grid, or the settings that all jobs of a search share.

        Raises:
            SystemExit: a job is wrong, or this is a dry run. Hydra would turn any other exception into a warning.

        """
        from longlag.settings.job_composer import JobComposer

        current = session()
        try:
            _check_extras(config)
            current.at_once = _at_once(config)
            current.composer = JobComposer(GlobalHydra.instance().config_loader(), config)
            if config.hydra.runtime.choices["hydra/sweeper"] in ("grid", "basic"):
                _check_grid(config, current)
            elif current.dry:
                raise RequestError("--dry-run: the jobs of a search cannot be known ahead")
            else:
                _check_search(config, current)
        except Exception as error:
            request_error = (
                error
                if isinstance(error, RequestError)
                else explained(error, known_keys([*_typed(config, "hydra"), *_typed(config)]))
            )
            current.refused = request_error or RequestError(f"{type(error).__name__}: {error}")
            raise SystemExit(2) from error
        if current.dry:
            raise SystemExit(0)


def _at_once(config: DictConfig) -> int:
    """Return the most jobs that train at once in a population; 1 where the launcher forms none.

    Raises:
        RequestError: ``population`` is neither ``auto`` nor a positive integer.

    """
    population = check_population("population", config.population)
    launcher = hydra.utils.get_class(config.hydra.launcher._target_)
    if not hasattr(launcher, "populations"):
        return 1
    return AUTO_AT_ONCE if population == "auto" else population


def _check_extras(config: DictConfig) -> None:
    """Check that the packages of the chosen launcher and sweeper are installed.

    Raises:
        RequestError: one is not.

    """
    for part in ("launcher", "sweeper"):
        choice = config.hydra.runtime.choices[f"hydra/{part}"]
        package, extra = _EXTRAS.get(choice, ("hydra", ""))
        if importlib.util.find_spec(package) is None:
            raise RequestError(f"hydra/{part}={choice} needs the package {package}: pip install 'longlag[{extra}]'")


def _check_grid(config: DictConfig, current: Session) -> None:
    """Compose all jobs, and build one of those that differ in the seed alone; print the forecast of a dry run.

    Raises:
        RequestError: a job is wrong.

    """
    jobs = grid([*_params(config), *_typed(config)])
    current.jobs = len(jobs)
    launcher: Any = hydra.utils.get_class(config.hydra.launcher._target_)
    if hasattr(launcher, "prepare") and not current.dry:
        launcher.prepare(config.hydra.launcher, len(jobs))
    from longlag.jobs.job import Job  # takes seconds, in which workers of the launcher import the same
    from longlag.jobs.rehearsal import Rehearsal

    assert current.composer is not None
    current.rehearsal = Rehearsal(_runs_here(launcher) and not current.dry, join=current.at_once > 1)
    planned: dict[Any, Job] = {}
    checked = None
    with Console(stderr=True).status("looking ahead") as status:  # visible in a terminal only
        for number, overrides in enumerate(jobs, start=1):
            status.update(f"looking ahead: job {number} of {len(jobs)}")
            settings, hydra_node = current.composer.settings_and_hydra(overrides)
            if hydra_node is not checked:
                _check_same_sweep(config, hydra_node, overrides)
                checked = hydra_node
            if settings.get("resume") is not None:
                raise RequestError("resume goes on with one run; a grid that was cut goes on when typed again")
            if settings.population != config.population:
                raise RequestError("population is a setting of the whole grid: give one value, and in the command")
            job = Job.composed(settings, hydra_node, overrides)
            current.rehearsal.check(job)
            _check_budget(job, planned.get(job.folder.path))
            current.grid[tuple(overrides)] = job
            planned.setdefault(job.folder.path, job)
    current.folders = dict.fromkeys(planned)
    memberships = [current.rehearsal.membership(job) for job in planned.values()]
    current.may_join = any(count > 1 for kind, count in Counter(one.kind for one in memberships).items() if kind)
    if current.dry:
        from longlag.launch.forecast import print_forecast

        how_many = partial(launcher.populations, config.hydra.launcher) if current.at_once > 1 else None
        print_forecast(list(planned.values()), memberships, how_many, current.at_once)


def _check_same_sweep(command: DictConfig, job: Any, overrides: Sequence[str]) -> None:
    """Check that no choice of a job, such as an experiment, brings a grid, a sweeper or a launcher of its own.

    Hydra reads these from the command alone, so those of a choice in a grid would be lost.

    Args:
        command: the configuration of the command.
        job: Hydra's node in that of the job.
        overrides: of the job.

    Raises:
        RequestError: one does.

    """
    for part in ("sweeper", "launcher"):
        if OmegaConf.to_container(job[part]) != OmegaConf.to_container(command.hydra[part]):  # unresolved
            own = "grid" if part == "sweeper" else part
            among = [line for line in overrides if line.startswith("experiment=")] or overrides
            raise RequestError(
                f"{among[0]} has a {own} of its own, which is lost in a grid over several choices;"
                f" type one command for each: longlag train -m {among[0]}"
            )


def _check_budget(job: "Job", other: "Job | None") -> None:
    """Check that a job does not ask for the run of another job with another budget.

    Raises:
        RequestError: it does.

    """
    if other is not None and other.budget != job.budget:
        raise RequestError(
            "a grid over trainer.max_steps, trainer.max_time or stop_when_solved: its jobs are one run, which they take"
            " further or less far; give one value (a larger one goes on with the runs that are there)"
        )


def _check_search(config: DictConfig, current: Session) -> None:
    """Build a job from the settings that are not searched for.

    A search remembers nothing but the folders of its runs: typed again, it tries the same settings and finds the runs.

    Raises:
        RequestError: a setting is wrong.

    """
    from longlag.jobs.job import Job
    from longlag.jobs.rehearsal import Rehearsal

    parser = OverridesParser.create(config_loader=GlobalHydra.instance().config_loader())
    typed = [*_params(config), *_typed(config)]
    fixed = [line for line in typed if not parser.parse_override(line).is_sweep_override()]
    assert current.composer is not None
    settings, hydra_node = current.composer.settings_and_hydra(fixed)
    if settings.get("resume") is not None:
        raise RequestError("resume goes on with one run; a search that was cut goes on when typed again")
    job = Job.composed(settings, hydra_node, fixed)
    Rehearsal().check(job)  # no trial has exactly these settings
    keep = _runs_here(hydra.utils.get_class(config.hydra.launcher._target_))
    current.rehearsal, current.may_join = Rehearsal(keep, join=current.at_once > 1), current.at_once > 1
    sweeper = config.hydra.sweeper
    if (sweeper.get("sampler") or {}).get("seed", 0) is None and sweeper.get("storage") is None:
        raise RequestError("hydra.sweeper.sampler.seed must be a number: then the same command goes on with a search")
    if "optuna" in sweeper._target_:  # else Optuna prints where it keeps the search
        importlib.import_module("optuna").logging.set_verbosity(logging.WARNING)
    current.jobs, current.study = config.hydra.sweeper.get("n_trials", 0), job.folder.path.parent


def _runs_here(launcher: type) -> bool:
    """Return whether a launcher runs the jobs in this process, so that the parts built ahead are of use."""
    return getattr(launcher, "runs_here", False)


def _params(config: DictConfig) -> list[str]:
    """Return the axes that the configuration holds, as a person would type them."""
    return [f"{key}={value}" for key, value in (config.hydra.sweeper.params or {}).items()]


def _typed(config: DictConfig, of: str = "task") -> list[str]:
    """Return the overrides as typed: an interpolation, such as ``${seed}``, has another value in each job."""
    typed: list[str] = OmegaConf.to_container(config.hydra.overrides[of], resolve=False)  # type: ignore[assignment]
    return typed
