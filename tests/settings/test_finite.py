"""A number that is infinite, or none, is refused wherever a class of longlag or PyTorch takes a number."""

import copy
import math

import pytest
from rich.console import Console

from longlag import compose
from longlag.errors import RequestError
from longlag.runs import RunFolder
from longlag.settings.compose import conf_dir
from longlag.settings.plan import build_parts, plan_of

GROUPS = ("cell", "init", "task", "task/splits", "optimizer", "trainer", "probe", "logger")
CHOICES = [
    f"{group}={path.stem}"
    for group in GROUPS
    for path in sorted((conf_dir() / group).glob("*.yaml"))
    if path.stem not in ("ddp", "gpu", "none", "csv", "ddp_cpu")
]


def numbers(node, prefix):
    """The keys that hold a number, or nothing, or a list; whether each holds a list."""
    for key, value in node.items():
        if isinstance(value, dict):
            yield from numbers(value, f"{prefix}{key}.")
        elif value is None or (isinstance(value, int | float | list) and not isinstance(value, bool)):
            yield f"{prefix}{key}", isinstance(value, list)


@pytest.mark.parametrize("choice", CHOICES)
def test_every_number_of_a_part_is_finite(choice, tmp_path):
    part = choice.partition("=")[0].split("/")[0]
    settings = compose("task.T=16", "logger=csv", choice)
    for key, is_list in numbers(settings[part], f"{part}."):
        for bad in (math.nan, math.inf, -math.inf):
            node, *path, last = key.split(".")
            wrong = copy.deepcopy(settings)
            place = wrong[node]
            for name in path:
                place = place[name]
            place[last] = [bad] if is_list else bad
            with pytest.raises(RequestError, match=rf"{last}|{node}"):
                build_parts(plan_of(wrong, RunFolder(tmp_path), Console(quiet=True)))


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["optimizer.lr=inf"], "optimizer.lr must be a finite number, got inf"),
        (["optimizer=sgd", "optimizer.momentum=nan"], "optimizer.momentum must be a finite number, got nan"),
        (["+optimizer.betas=[0.9,nan]"], "optimizer.betas must be a finite number, got nan"),
        (["+optimizer.weight_decay=inf"], "optimizer.weight_decay must be a finite number, got inf"),
        (["+callbacks.s={_target_: lightning.pytorch.callbacks.EarlyStopping, monitor: val/acc, min_delta: nan}"],
         "callbacks.s.min_delta must be a finite number, got nan"),
        (["-m", "optimizer.lr=0.1,inf"], "optimizer.lr must be a finite number, got inf"),
    ],
)  # fmt: skip
def test_wrong_numbers_are_one_line_and_cost_no_run(longlag, tmp_path, arguments, message):
    said = longlag("train", *arguments)
    assert (said.code, said.err) == (2, f"longlag: {message}\n")
    assert list(tmp_path.iterdir()) == []
