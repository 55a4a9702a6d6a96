"""A member of a population is, bit for bit, the run alone."""

import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest
import torch

from longlag.runs import Status
from longlag.training.callbacks.stopping import StopRequest, stop_requests
from longlag.training.population.train import train_population
from longlag.training.run import train_run
from longlag.training.run_parts import RunParts
from longlag.training.run_plan import RunPlan


def population(plans: Sequence[RunPlan], at_once: int = 99, request: StopRequest | None = None) -> dict[str, Status]:
    """Train plans as a population, and return how each has ended, by the name of its folder."""
    ended: dict[str, Status] = {}

    def note(parts: RunParts, status: Status) -> None:
        ended[parts.plan.folder.path.name] = status

    if request is None:
        with stop_requests() as request:
            train_population(iter([RunParts(each) for each in plans]), at_once, request, note)
    else:
        train_population(iter([RunParts(each) for each in plans]), at_once, request, note)
    return ended


def checkpoint(folder: Path, name: str = "last.ckpt") -> Any:
    stored = torch.load(folder / "checkpoints" / name, weights_only=True)
    del stored["callbacks"]["Timer"]
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


KINDS = {
    "lstm": (),
    "gru": ("cell=gru",),
    "rnn": ("cell=rnn",),
    "peephole": ("cell=lstm_peephole",),
    "clipped": ("trainer.gradient_clip_val=0.01",),
    "by value": ("trainer.gradient_clip_val=0.01", "trainer.gradient_clip_algorithm=value"),
    "sgd": ("optimizer=sgd", "optimizer.momentum=0.9"),
    "rmsprop": ("optimizer=rmsprop",),
    "stack": ("model.layers=3", "model.dropout=0.2", "model.residual=true"),
    "float64": ("trainer.precision=64-true",),
    "endless": ("task/splits=endless",),
    "padded": ("task=temporal_order", "task.T=40"),
    "every step": ("task=embedded_reber", "task.T=12"),
    "regression": ("task=adding",),
    "early": ("probe=early_gradient",),
}


@pytest.mark.parametrize("kind", KINDS)
def test_a_member_is_the_run_alone(kind: str, plan: Callable[..., RunPlan], tmp_path: Path) -> None:
    runs = (
        [(*KINDS[kind], f"seed={seed}", f"init.value={seed}") for seed in range(3)]
        if False
        else [(*KINDS[kind], f"seed={seed}", f"optimizer.lr={0.001 * (seed + 1)}") for seed in range(3)]
    )
    for number, overrides in enumerate(runs):
        train_run(plan(*overrides, folder=f"alone{number}"))
    ended = population([plan(*overrides, folder=f"member{number}") for number, overrides in enumerate(runs)])
    assert len(ended) == 3
    for number in range(3):
        assert_same_run(tmp_path / f"alone{number}", tmp_path / f"member{number}")
