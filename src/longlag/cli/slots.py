"""How many jobs run at once on one machine, and which part of the machine each of them gets."""

import json
import os
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from longlag.cli.requests import RequestError


@dataclass(frozen=True)
class Slots:
    """The parts of a machine, each of which takes one process of a job.

    Args:
        gpus: of each slot, the GPU; ``None`` where there is none.
        threads: of each process.

    """

    gpus: tuple[str | None, ...]
    threads: int

    def taken_by(self, processes: int, free: Collection[int]) -> tuple[int, ...] | None:
        """Return the slots that a job gets, each with a GPU of its own; ``None`` if it has to wait.

        A job with more processes than there are slots runs alone.

        Args:
            processes: how many it has.
            free: the slots that no other job has.

        """
        if self.alone(processes):
            return tuple(range(len(self.gpus))) if len(free) == len(self.gpus) else None
        found: list[int] = []
        for slot in sorted(free):
            gpu = self.gpus[slot]
            if len(found) < processes and (gpu is None or gpu not in [self.gpus[other] for other in found]):
                found.append(slot)
        return tuple(found) if len(found) == processes else None

    def alone(self, processes: int) -> bool:
        """Say whether a job with so many processes has to run alone."""
        return processes > (len(self.gpus) if self.gpus[0] is None else len(set(self.gpus)))

    def environment(self, taken: Sequence[int], gpus: Sequence[str] = ()) -> dict[str, str]:
        """Return the variables by which a process keeps to the slots that it has.

        Args:
            taken: the slots.
            gpus: the GPUs of a job that runs alone, which may be more than the slots have.

        """
        threads = {f"{name}_NUM_THREADS": str(self.threads) for name in ("OMP", "MKL", "OPENBLAS", "NUMEXPR")}
        own = gpus or [gpu for gpu in dict.fromkeys(self.gpus[slot] for slot in taken) if gpu is not None]
        return {**threads, **({"CUDA_VISIBLE_DEVICES": ",".join(own)} if own else {})}


def slots_of(jobs: int | None, threads: int, jobs_per_gpu: int, cores: int, gpus: Sequence[str]) -> Slots:
    """Return the slots of a machine.

    Args:
        jobs: how many are wanted; ``None``: as many as there is room for.
        threads: of each process.
        jobs_per_gpu: how many share a GPU.
        cores: how many this process may use.
        gpus: those that the jobs are to run on; none if they run on the CPU.

    Raises:
        RequestError: a figure is wrong, or more jobs are wanted than the GPUs may take.

    """
    for name, value in (("jobs", jobs), ("threads", threads), ("jobs_per_gpu", jobs_per_gpu)):
        if value is not None and (isinstance(value, bool) or not isinstance(value, int) or value < 1):
            raise RequestError(f"hydra.launcher.{name} must be a positive integer, got {value!r}")
    if not gpus:
        return Slots((None,) * (jobs or max(1, cores // threads)), threads)
    room = len(gpus) * jobs_per_gpu
    if jobs is not None and jobs > room:
        raise RequestError(
            f"hydra.launcher.jobs={jobs} is more than {len(gpus)} GPU{'s' * (len(gpus) != 1)} take;"
            f" hydra.launcher.jobs_per_gpu={-(-jobs // len(gpus))} lets more of them share one"
        )
    return Slots(tuple(gpus[k % len(gpus)] for k in range(jobs or room)), threads)


def cores() -> int:
    """Return how many cores this process may use: of those that it may run on, what its control group has time on."""
    allowed = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    try:
        quota, period = Path("/sys/fs/cgroup/cpu.max").read_text().split()
        return max(1, min(allowed, int(quota) // int(period)))
    except (OSError, ValueError):  # there is none, or "max"
        return allowed


def has_gpu() -> bool:
    """Say whether this machine has a GPU, without torch, which takes seconds to import."""
    return any(Path(device).exists() for device in ("/dev/nvidiactl", "/dev/kfd"))


def gpus(environment: Mapping[str, str], count: int) -> list[str]:
    """Return the GPUs that this process may use, as ``CUDA_VISIBLE_DEVICES`` names them.

    Args:
        environment: of this process.
        count: how many there are.

    """
    named = environment.get("CUDA_VISIBLE_DEVICES")
    if named is None:
        return [str(k) for k in range(count)]
    return [name.strip() for name in named.split(",") if name.strip()][:count]


def on_gpu(settings: Mapping[str, Any], count: int) -> bool:
    """Say whether a job runs on a GPU of this machine.

    Args:
        settings: of the job.
        count: how many GPUs there are.

    Raises:
        RequestError: it names its GPUs, which are the launcher's to give.

    """
    trainer = settings["trainer"]
    if not count or trainer.get("accelerator") not in ("gpu", "cuda", "auto"):
        return False
    devices = trainer.get("devices", "auto")
    if isinstance(devices, bool) or not isinstance(devices, int) or devices < 1:
        raise RequestError(
            f"trainer.devices={json.dumps(devices)}: hydra/launcher=local gives each job its GPUs; say how many, as in"
            " trainer.devices=1"
        )
    return True
