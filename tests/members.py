"""Train plans as a population, and compare runs file by file."""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch

from longlag.runs import Status
from longlag.training.callbacks.stopping import StopRequest
from longlag.training.population.population import Population
from longlag.training.population.train import train_population
from longlag.training.run_parts import RunParts
from longlag.training.run_plan import RunPlan


def population(
    plans: Sequence[RunPlan], at_once: int = 99, request: StopRequest | None = None, progress: Any = None
) -> dict[str, Status]:
    """Train plans as a population, and return how each has ended, by the name of its folder."""
    ended: dict[str, Status] = {}

    def note(parts: RunParts, status: Status) -> None:
        ended[parts.plan.folder.path.name] = status

    def nothing(population: Population) -> None:
        pass

    arriving = iter([RunParts(each) for each in plans])
    train_population(arriving, at_once, request or StopRequest(), note, progress or nothing)
    return ended


def checkpoint(folder: Path, name: str = "last.ckpt") -> Any:
    stored = torch.load(folder / "checkpoints" / name, weights_only=True)
    del stored["callbacks"]["Timer"]
    del stored["loops"]["fit_loop"]["epoch_loop.state_dict"]  # Lightning's count of batches loses one at a resumption
    return stored


def assert_same(one: Any, other: Any, place: str = "") -> None:
    """Check that nested containers are equal, tensors bit for bit."""
    if isinstance(one, dict):
        assert isinstance(other, dict), place
        assert one.keys() == other.keys(), f"{place}: {one.keys() ^ other.keys()}"
        for key in one:
            assert_same(one[key], other[key], f"{place}/{key}")
    elif isinstance(one, list | tuple):
        assert len(one) == len(other), place
        for k, (a, b) in enumerate(zip(one, other, strict=True)):
            assert_same(a, b, f"{place}/{k}")
    elif isinstance(one, torch.Tensor):
        assert one.dtype == other.dtype, place
        assert torch.equal(one, other) or (one.isnan() & other.isnan() | (one == other)).all(), place
    else:
        assert type(one) is type(other), place
        assert one == other or (one != one and other != other), f"{place}: {one!r} {other!r}"


def assert_same_run(alone: Path, member: Path) -> None:
    """Check that the files of two runs are the same, but for times."""
    for name in ("best.ckpt", "last.ckpt"):
        assert_same(checkpoint(alone, name), checkpoint(member, name), name)
    for name in ("metrics.csv", "error_flow.csv", "metrics.json", "config.yaml"):
        there = [(folder / name).exists() for folder in (alone, member)]
        assert there[0] == there[1], name
        assert not there[0] or (alone / name).read_text() == (member / name).read_text(), name
    one, other = (json.loads((folder / "summary.json").read_text()) for folder in (alone, member))
    one["seconds"] = other["seconds"] = 0
    assert one == other
    one, other = (json.loads((folder / "status.json").read_text()) for folder in (alone, member))
    for key in ("started", "ended"):
        del one[key], other[key]
    assert one == other
