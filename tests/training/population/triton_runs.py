"""Train a population by Triton's kernels, on Triton's interpreter, and the same runs alone; print as JSON what differs.

The one argument is what to do: the name of a kind, ``leave``, or ``command``.
"""

import json
import sys
import tempfile
from pathlib import Path

import torch
from members import checkpoint, population
from rich.console import Console

from longlag import compose
from longlag.cli.main import main
from longlag.runs import RunFolder
from longlag.settings.plan import plan_of
from longlag.training.run import train_run

TINY = (
    "task.T=5", "cell.hidden_size=4", "trainer.max_steps=3", "trainer.val_check_interval=2", "logger=csv",
    "task.splits.batch_size=6", "task.splits.val_size=6", "task.splits.test_size=6", "task.splits.train_size=24",
    "engine=triton", "stop_when_solved=false",
)  # fmt: skip
KINDS = {
    "stack": ("cell=gru", "model.layers=2", "model.dropout=0.2", "model.residual=true"),
    "padded": ("task=temporal_order", "task.T=12", "trainer.max_steps=1", "trainer.val_check_interval=1"),
}
ROOT = Path(tempfile.mkdtemp())


def plan(name, *overrides):
    return plan_of(compose(*TINY, *overrides), RunFolder(ROOT / name), Console(quiet=True))


def far(one, other):
    """The largest difference of two checkpoints, as a part of the largest weight, and of the tables of two runs."""
    weights = [checkpoint(ROOT / name)["state_dict"] for name in (one, other)]
    largest = max((each.abs().max().item() for each in weights[0].values()), default=0)
    off = [(weights[0][key] - weights[1][key]).abs().max().item() / largest for key in weights[0]]
    tables = [(ROOT / name / "metrics.csv").read_text().splitlines() for name in (one, other)]
    assert len(tables[0]) == len(tables[1])
    return max(off)


def state(name):
    """What the status of a run says of its end, its steps and its engine."""
    said = json.loads((ROOT / name / "status.json").read_text())
    return [said["state"], said["step"], said["engine"]]


def trained(runs, at_once=99):
    """The states of runs as members, and how far each is from the run alone."""
    population([plan(f"member{k}", *run) for k, run in enumerate(runs)], at_once)
    for k, run in enumerate(runs):
        train_run(plan(f"alone{k}", *run))
    count = range(len(runs))
    return {
        "far": max(far(f"alone{k}", f"member{k}") for k in count),
        "alone": [state(f"alone{k}") for k in count],
        "member": [state(f"member{k}") for k in count],
    }


def typed():
    """A grid of the command line: what it says of the populations, and which engine ran."""
    code = main(["train", "-m", *TINY, "seed=0,1,2", f"output_dir={ROOT}", "study=grid"])
    engines = [json.loads(path.read_text())["engine"] for path in (ROOT / "grid").glob("*/status.json")]
    logs = [path.read_text() for path in (ROOT / "grid").glob("*/train.log")]
    return {"code": code, "engines": engines, "together": ["trains in a population; triton" in log for log in logs]}


if __name__ == "__main__":
    torch.set_num_threads(1)
    what = sys.argv[1]
    if what == "command":
        found = typed()
    elif what == "leave":
        own = [(f"seed={k}", f"trainer.max_steps={steps}") for k, steps in enumerate((3, 1, 2))]
        found = trained([("trainer.gradient_clip_val=0.05", *each) for each in own], at_once=2)
    else:
        found = trained([(*KINDS[what], f"seed={k}", f"optimizer.lr={0.002 * (k + 1)}") for k in range(3)])
    print(json.dumps(found))
