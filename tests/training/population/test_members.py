"""A member of a population is, bit for bit, the run alone."""

from collections.abc import Callable
from pathlib import Path

import pytest
from members import assert_same_run, population

from longlag.training.run import train_run
from longlag.training.run_plan import RunPlan

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
    runs = [(*KINDS[kind], f"seed={seed}", f"optimizer.lr={0.001 * (1 + seed // 2)}") for seed in range(3)]
    for number, overrides in enumerate(runs):
        train_run(plan(*overrides, folder=f"alone{number}"))
    ended = population([plan(*overrides, folder=f"member{number}") for number, overrides in enumerate(runs)])
    assert len(ended) == 3
    for number in range(3):
        assert_same_run(tmp_path / f"alone{number}", tmp_path / f"member{number}")
