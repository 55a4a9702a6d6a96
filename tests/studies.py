"""Studies made up for tests: run folders as a run leaves them, with curves that follow a rule, quickly made."""

import copy
import math
import random
from pathlib import Path

from longlag import compose
from longlag.runs import RunFolder, Status
from longlag.runs.error_flow_csv import ErrorFlowTable
from longlag.runs.metrics_csv import MetricsTable
from longlag.settings.names import folder_name

STEPS = range(0, 101, 20)


def make_study(path: Path, lags=(20, 60), biases=(0.0, 1.0, 3.0), seeds=range(3), flow=True) -> list[RunFolder]:
    """Make a study of LSTM runs over T × forget bias × seed.

    The early gradient falls as σ(b)^T, and a run is solved, at step 60, where that is not below 1e-8 or by luck.
    """
    base = compose("logger=csv", "trainer.max_steps=100")
    made = []
    for T in lags:
        for bias in biases:
            for seed in seeds:
                settings = copy.deepcopy(base)
                settings["task"]["T"], settings["cell"]["forget_bias"], settings["seed"] = T, bias, seed
                settings["study"] = path.name
                settings["run"] |= {"T": T, "forget_bias": bias, "seed": seed}
                made.append(make_run(path / folder_name(settings), settings, flow))
    return made


def of_cell(settings: dict, cell: str, T: int, bias: float | None, seed: int, budget: int = 100) -> dict:
    """Return settings with another cell, lag, forget bias, seed and budget."""
    changed = copy.deepcopy(settings)
    changed["cell"] = {"_target_": f"longlag.cells.{cell.upper()}Cell", "hidden_size": 8}
    changed["cell"] |= {} if bias is None else {"forget_bias": bias}
    changed["task"]["T"], changed["seed"], changed["trainer"]["max_steps"] = T, seed, budget
    changed["run"] |= {"cell": cell, "T": T, "forget_bias": bias, "seed": seed}
    return changed


def make_run(
    path: Path, settings: dict, flow: bool = True, state: str | None = None, solved: bool | None = None
) -> RunFolder:
    """Make one run; ``state`` overrules how it ended, and ``solved`` whether its curves reach the criterion."""
    T, bias, seed = (settings["run"][key] for key in ("T", "forget_bias", "seed"))
    draw = random.Random(f"{T} {bias} {seed}")
    log_f = math.log10(1 / (1 + math.exp(-(bias or 0.0))))
    early = 10 ** (log_f * T + draw.uniform(-1, 1))
    if solved is None:
        solved = early > 1e-8 or draw.random() < 0.2
    state = state or ("solved" if solved else "done")
    folder = RunFolder(path)
    folder.path.mkdir(parents=True)
    folder.write_config(settings)
    table, flows = MetricsTable(folder.metrics), ErrorFlowTable(folder.error_flow)
    steps = [step for step in STEPS if step <= (60 if solved else settings["trainer"]["max_steps"])]
    for step in steps:
        accuracy = min(1.0, 0.5 + 0.5 * step / 60 if solved else 0.5 + draw.uniform(-0.05, 0.05))
        table.add(step, {"early_gradient": early * 10 ** (step / 20), "sequences": 256 * step})
        table.add(step, {"train/loss": 0.7 * (1 - step / 200), "val/acc": accuracy, "val/loss": 0.7 - step / 300})
        slope = log_f * (1 - step / 200)
        mean = {"dx": -1.0, "dh": -0.5, "dc": 0.0, "dx_direct": -1.5, "dc_direct": -0.2}
        lags = {"sequences": [32.0] * T}
        for name, start in mean.items():
            for end, shift in (("", 0.0), ("_10", -0.4), ("_50", 0.05), ("_90", 0.4)):
                lags[f"{name}{end}"] = [start + shift + slope * lag for lag in range(T)]
        flows.add(step, 1, lags)
    table.write()
    if flow:
        flows.write()
    if state != "running":
        folder.write_summary(
            {
                **settings["run"], "state": state, "solved": state == "solved",
                "solved_step": 60 if state == "solved" else None,
                "solved_sequences": 60 * 256 if state == "solved" else None,
                "steps": steps[-1], "sequences": 256 * steps[-1], "val/acc": accuracy, "test/acc": accuracy,
                "parameters": 4546, "early_gradient_init": early, "early_gradient_end": early * 10 ** (steps[-1] / 20),
                "seconds": T / 10,
            }
        )  # fmt: skip
    folder.write_status(
        Status(state, step=steps[-1], started="2026-01-01T00:00:00+00:00", ended="2026-01-01T00:01:00+00:00")
    )
    return folder
