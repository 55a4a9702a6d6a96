"""Where the time of the default run goes: every part of it, what it calls from other parts taken out.

``make bench`` runs it after the comparison. The parts are told apart by timers around their functions, which cost a few
microseconds a call; what no timer sees is Lightning's own.
"""

import argparse
import functools
import platform
import tempfile
import time
from collections import defaultdict
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any
from unittest import mock

import torch
from default_run import default_run, plan
from lightning.pytorch.callbacks import ModelCheckpoint
from lightning.pytorch.loops.evaluation_loop import _EvaluationLoop
from lightning.pytorch.strategies import Strategy

from longlag.engine.native.autograd import Call
from longlag.task import Task
from longlag.training.callbacks.probe import Probe
from longlag.training.module import SequenceModule

#: A part of the run -> the functions in which its time is spent.
PARTS: dict[str, list[tuple[Any, str]]] = {
    "recurrence": [(Call, "forward"), (Call, "backward")],
    "readout, loss, autograd": [(SequenceModule, "training_step"), (Strategy, "backward")],
    "optimizer": [(torch.optim.Adam, "step")],
    "data": [(Task, "train_batch")],
    "validation": [(_EvaluationLoop, "run")],
    "error flow": [(Probe, "_measure")],
    "logging": [(SequenceModule, "record"), (SequenceModule, "record_error_flow")],
    "checkpoints": [(ModelCheckpoint, "_save_checkpoint")],
}


class Account:
    """Adds up the seconds that are spent in each part, and in no other part that it calls."""

    def __init__(self) -> None:
        self.seconds: dict[str, float] = defaultdict(float)
        self._open: list[str] = []
        self._since = 0.0

    @contextmanager
    def part(self, name: str) -> Iterator[None]:
        """Count the time to this part."""
        self._turn()
        self._open.append(name)
        try:
            yield
        finally:
            self._turn()
            self._open.pop()

    def _turn(self) -> None:
        now = time.perf_counter()
        if self._open:
            self.seconds[self._open[-1]] += now - self._since
        self._since = now

    def around(self, name: str, function: Callable[..., Any]) -> Callable[..., Any]:
        """Return the function with its time counted to a part."""

        @functools.wraps(function)
        def timed(*given: Any, **named: Any) -> Any:
            with self.part(name):
                return function(*given, **named)

        return timed


def accounted(folder: Path, overrides: list[str]) -> tuple[float, dict[str, float]]:
    """Return the seconds of a run, and those of its parts."""
    account = Account()
    with ExitStack() as stack:
        for name, functions in PARTS.items():
            for owner, function in functions:
                made = account.around(name, getattr(owner, function))
                stack.enter_context(mock.patch.object(owner, function, made))
        total = default_run(plan(folder, overrides))
    return total, dict(account.seconds)


def main() -> None:
    """Print the table of the run that was the fastest of several."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--steps", type=int, default=600)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("overrides", nargs="*", metavar="KEY=VALUE", help="as for longlag train")
    options = parser.parse_args()
    print(f"{platform.processor() or platform.machine()}, {torch.get_num_threads()} threads, torch {torch.__version__}")
    with tempfile.TemporaryDirectory() as folder:
        default_run(plan(Path(folder) / "warm", ["trainer.max_steps=20", *options.overrides]))
        chosen = [f"trainer.max_steps={options.steps}", *options.overrides]
        runs = [accounted(Path(folder) / str(k), chosen) for k in range(options.rounds)]
    total, parts = min(runs)
    parts["Lightning, and what is left"] = total - sum(parts.values())
    print("| part | seconds | ms a step | share |\n|---|---|---|---|")
    for name, seconds in parts.items():
        print(f"| {name} | {seconds:.2f} | {1e3 * seconds / options.steps:.2f} | {100 * seconds / total:.0f} % |")
    print(f"| all | {total:.2f} | {1e3 * total / options.steps:.2f} | 100 % |")


if __name__ == "__main__":
    main()
