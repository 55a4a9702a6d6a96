"""The look ahead at a grid: every job is made, and none is run, before the first one runs."""

import functools
import importlib.util
import logging
from collections.abc import Iterator, Sequence
from typing import Any

import hydra
from hydra.conf import HydraConf
from hydra.core.global_hydra import GlobalHydra
from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.core.override_parser.types import Override
from hydra.experimental.callback import Callback
from omegaconf import DictConfig, OmegaConf
from omegaconf.errors import OmegaConfBaseException
from rich.console import Console

from longlag.cli.configs import grid, known_keys, without_hydra
from longlag.cli.requests import RequestError, explained
from longlag.cli.session import Session, session
from longlag.cli.settings import apart_from_seed
from longlag.cli.slots import cores, has_gpu, slots_of
from longlag.cli.workers import Worker

#: launcher or sweeper -> (a package that it needs, the extra of longlag that brings it)
_EXTRAS = {"slurm": ("submitit", "slurm"), "ray": ("ray", "ray"), "optuna": ("optuna", "search")}


class LookAhead(Callback):
    """Make every job of a grid without running it, before the first one runs: a wrong request costs no run."""

    def on_multirun_start(self, config: DictConfig, **kwargs: Any) -> None:
        """Rehearse the jobs of a grid; of those of a search, what they have in common.

        Raises:
            SystemExit: one of them is wrong, or they were only to be looked at. Hydra would turn any other exception
                into a warning.

        """
        current = session()
        try:
            _check_extras(config)
            if not config.hydra.sweeper._target_.endswith(".BasicSweeper"):
                if current.dry:
                    raise RequestError("--dry-run: what a search will try cannot be known ahead")
                _rehearse_search(config, current)
                return
            _rehearse(config, current)
            if current.dry:
                from longlag.cli.forecast import print_forecast

                print_forecast(current.planned)
        except Exception as error:
            wrong = (
                error
                if isinstance(error, RequestError)
                else explained(error, known_keys([*config.hydra.overrides.hydra, *_typed(config)]))
            )
            current.refused = wrong or RequestError(f"{type(error).__name__}: {error}")
            raise SystemExit(2) from error
        if current.dry:
            raise SystemExit(0)


def _check_extras(config: DictConfig) -> None:
    """Check that the packages are there that a launcher or a sweeper is made of.

    Raises:
        RequestError: one is not.

    """
    for part in ("launcher", "sweeper"):
        choice = config.hydra.runtime.choices[f"hydra/{part}"]
        package, extra = _EXTRAS.get(choice, ("hydra", ""))
        if importlib.util.find_spec(package) is None:
            raise RequestError(f"hydra/{part}={choice} needs the package {package}: pip install 'longlag[{extra}]'")


def _rehearse(config: DictConfig, current: Session) -> None:
    """Compose all jobs, and make the parts of one of those that differ in the seed alone.

    Raises:
        RequestError: one of them is wrong.

    """
    jobs = grid([*_params(config), *_typed(config)])
    current.jobs = len(jobs)
    if config.hydra.runtime.choices["hydra/launcher"] == "local" and not current.dry:
        _start_workers(config.hydra.launcher, current)
    from longlag.cli.jobs import Job  # takes seconds, in which the workers import the same

    made: set[str] = set()
    with Console(stderr=True).status("looking ahead") as status:  # which is seen in a terminal only
        for number, (composed, own, overrides) in enumerate(_composed(config, jobs), start=1):
            status.update(f"looking ahead: job {number} of {len(jobs)}")
            job = Job.composed(composed, own, overrides)
            if job.resumed:
                raise RequestError("resume goes on with one run; a grid that was cut goes on when typed again")
            kind = apart_from_seed(job.settings)
            if kind not in made:
                job.rehearse()
                made.add(kind)
            current.grid.append(job)
            if job.folder.path not in current.folders:
                current.planned.append(job)
            current.folders[job.folder.path] = None


def _start_workers(launcher: DictConfig, current: Session) -> None:
    """Start the workers of the local launcher, which take seconds until they are ready."""
    if has_gpu():  # which each is given when a job is
        return
    try:
        slots = slots_of(launcher.jobs, launcher.threads, launcher.jobs_per_gpu, cores(), [])
    except (RequestError, OmegaConfBaseException):  # it is said when all that is wrong is looked for
        return
    for slot in range(min(len(slots.gpus), current.jobs)):
        worker = Worker(slots.environment([slot]))
        current.spares.append(worker)
        current.closing.callback(_end_spare, current, worker)


def _end_spare(current: Session, worker: Worker) -> None:
    """End a worker that was never given a job."""
    if worker in current.spares:
        worker.kill()


def _rehearse_search(config: DictConfig, current: Session) -> None:
    """Make the parts of a job from what is not searched for, which all have in common.

    A search remembers nothing but the runs' folders: typed again, it tries the same settings, and finds them run.

    Raises:
        RequestError: something in it is wrong.

    """
    from longlag.cli.jobs import Job

    parser = OverridesParser.create(config_loader=GlobalHydra.instance().config_loader())
    typed = [*_params(config), *_typed(config)]
    fixed = [line for line in typed if not parser.parse_override(line).is_sweep_override()]
    whole = hydra.compose(config.hydra.job.config_name, overrides=fixed, return_hydra_config=True)
    job = Job.composed(without_hydra(whole), whole.hydra, fixed)
    if job.resumed:
        raise RequestError("resume goes on with one run; a search that was cut goes on when typed again")
    job.rehearse()
    sweeper = config.hydra.sweeper
    if (sweeper.get("sampler") or {}).get("seed", 0) is None and sweeper.get("storage") is None:
        raise RequestError("hydra.sweeper.sampler.seed must be a number: then the same command goes on with a search")
    if "optuna" in sweeper._target_:
        importlib.import_module("optuna").logging.set_verbosity(logging.WARNING)  # or it says where it keeps the search
    current.jobs, current.study = config.hydra.sweeper.get("n_trials", 0), job.folder.path.parent


def _params(config: DictConfig) -> list[str]:
    """Return the axes that lie in the configuration, as they would be typed."""
    return [f"{key}={value}" for key, value in (config.hydra.sweeper.params or {}).items()]


def _composed(
    config: DictConfig, jobs: Sequence[Sequence[str]]
) -> Iterator[tuple[DictConfig, HydraConf, Sequence[str]]]:
    """Yield for every job its configuration, Hydra's own, and what was typed for it.

    To compose one takes Hydra long. Jobs that differ in plain values alone are composed once, and get their values as
    Hydra would put them in: all into the same configuration, so each is to be read before the next one is asked for.
    """
    loader = GlobalHydra.instance().config_loader()
    parser = OverridesParser.create(config_loader=loader)

    @functools.cache
    def is_group(key: str) -> bool:
        return bool(loader.list_groups(key) or loader.get_group_options(key))

    @functools.cache
    def read(line: str) -> Override:
        return parser.parse_override(line)

    def composed(overrides: Sequence[str]) -> tuple[DictConfig, HydraConf]:
        typed = [*config.hydra.overrides.hydra, *overrides]
        whole = hydra.compose(config.hydra.job.config_name, overrides=typed, return_hydra_config=True)
        return without_hydra(whole), whole.hydra

    bases: dict[tuple[str, ...], tuple[DictConfig, HydraConf]] = {}
    for job in jobs:
        parsed = [read(line) for line in job]
        values = [one for one in parsed if _plain(one, parsed) and not is_group(one.key_or_group)]
        rest = tuple(line for one, line in zip(parsed, job, strict=True) if one not in values)
        if rest not in bases:
            bases[rest] = composed(rest)
        base, own = bases[rest]
        read_values = [(one.key_or_group, one.value()) for one in values]
        merged = any(isinstance(value, dict | list) for _, value in read_values)  # with what the job before has left
        settings = base.copy() if merged else base
        OmegaConf.set_struct(settings, True)
        try:
            for key, value in read_values:
                OmegaConf.update(settings, key, value, merge=True)
        except OmegaConfBaseException:  # Hydra says it in its own words
            settings, own = composed(job)
        yield settings, own, job


def _plain(override: Override, others: Sequence[Override]) -> bool:
    """Say whether an override changes a value that is there, and no other one has to do with that value."""
    key = override.key_or_group
    if override.is_add() or override.is_force_add() or override.is_delete() or override.package is not None:
        return False
    return not key.startswith("hydra.") and not any(
        other is not override and f"{key}.".startswith(f"{other.key_or_group}.")
        for other in others
        if "." in other.key_or_group
    )


def _typed(config: DictConfig) -> list[str]:
    """Return the overrides as they were typed: what one refers to, such as the seed, is another value in every job."""
    typed: list[str] = OmegaConf.to_container(config.hydra.overrides.task, resolve=False)  # type: ignore[assignment]
    return typed
