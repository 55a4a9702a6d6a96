"""The slots of a machine: the number of jobs that run at once, and the part of the machine that each gets."""

import json
import os
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from longlag.errors import RequestError


@dataclass(frozen=True)
class Slots:
    """The parts of a machine. Each part takes one process of a job.

    Args:
        gpus: the GPU of each slot; ``None`` without a GPU.
        threads: of each process.

    """

    gpus: tuple[str | None, ...]
    threads: int

    def taken_by(self, processes: int, free: Collection[int]) -> tuple[int, ...] | None:
        """Return the slots for a job, on different GPUs; ``None`` if the job has to wait.

        A job with more processes than there are slots runs alone.

        Args:
            processes: the number that the job has.
            free: the slots without a job.

        """
        if self.alone(processes):
            return tuple(range(len(self.gpus))) if len(free) == len(self.gpus) else None
        chosen: list[int] = []
        for slot in sorted(free):
            gpu = self.gpus[slot]
            if len(chosen) < processes and (gpu is None or gpu not in [self.gpus[other] for other in chosen]):
                chosen.append(slot)
        return tuple(chosen) if len(chosen) == processes else None

    def alone(self, processes: int) -> bool:
        """Return whether a job with this number of processes has to run alone."""
        return processes > (len(self.gpus) if self.gpus[0] is None else len(set(self.gpus)))

    def environment(self, slots: Sequence[int], gpus: Sequence[str] = ()) -> dict[str, str]:
        """Return the variables that keep a process to its slots.

        Args:
            slots: of the process.
            gpus: the GPUs of a job that runs alone; they may be more than those of the slots.

        """
        threads = {f"{name}_NUM_THREADS": str(self.threads) for name in ("OMP", "MKL", "OPENBLAS", "NUMEXPR")}
        visible = gpus or [gpu for gpu in dict.fromkeys(self.gpus[slot] for slot in slots) if gpu is not None]
        return {**threads, **({"CUDA_VISIBLE_DEVICES": ",".join(visible)} if visible else {})}


def slots_of(jobs: int | None, threads: int, jobs_per_gpu: int, cores: int, gpus: Sequence[str]) -> Slots:
    """Return the slots of a machine.

    Args:
        jobs: the number at once; ``None``: as many as there is room for.
        threads: of each process.
        jobs_per_gpu: the number of jobs that share a GPU.
        cores: the number that this process may use.
        gpus: the GPUs for the jobs; empty if they run on the CPU.

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
    """Return the number of cores that this process may use, by its affinity and its control group's quota."""
    allowed = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    try:
        quota, period = Path("/sys/fs/cgroup/cpu.max").read_text().split()
        return max(1, min(allowed, int(quota) // int(period)))
    except (OSError, ValueError):  # no control group, or "max"
        return allowed


def has_gpu() -> bool:
    """Return whether this machine has a GPU, without importing torch, which takes seconds."""
    return any(Path(device).exists() for device in ("/dev/nvidiactl", "/dev/kfd"))


def gpus(environment: Mapping[str, str], count: int) -> list[str]:
    """Return the GPUs that this process may use, as ``CUDA_VISIBLE_DEVICES`` names them.

    Args:
        environment: of this process.
        count: the number of GPUs.

    """
    named = environment.get("CUDA_VISIBLE_DEVICES")
    if named is None:
        return [str(k) for k in range(count)]
    return [name.strip() for name in named.split(",") if name.strip()][:count]


def on_gpu(settings: Mapping[str, Any], count: int) -> bool:
    """Return whether a job runs on a GPU of this machine.

    Args:
        settings: of the job.
        count: the number of GPUs.

    Raises:
        RequestError: the job names its GPUs; the launcher assigns them.

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
