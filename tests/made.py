"""Runs made up in memory, for the tests of what reads them."""

from pathlib import Path

from longlag.report.curves import RunCurves
from longlag.runs import RunFolder, RunRecord, Status


def run(
    metrics=None, flow=None, T=60, bias=1.0, seed=0, cell="lstm", solved=None, state=None, steps=600, lr=0.1, study="s"
):
    """A run that was solved at a step, or not at all; with curves, if any are given."""
    state = state or ("done" if solved is None else "solved")
    facts = {"cell": cell, "task": "delayed_xor", "T": T, "forget_bias": bias, "seed": seed}
    config = {"run": facts, "cell": {"forget_bias": bias}, "task": {"T": T}, "optimizer": {"lr": lr}, "seed": seed}
    config["study"] = study
    summary = {"solved_step": solved, "steps": steps if solved is None else solved} if state != "running" else {}
    return RunCurves(
        RunRecord(RunFolder(Path("/nonexistent")), config, Status(state), summary), metrics or {}, flow or {}
    )
