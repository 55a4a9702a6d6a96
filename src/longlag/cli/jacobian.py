"""``longlag jacobian``: by how much a trained run stretches its state, over k steps and in the long run."""

import json
import sys
from argparse import Namespace
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rich.console import Console

from longlag.cli.arguments import CommandParser
from longlag.cli.requests import RequestError
from longlag.cli.settings import title
from longlag.runs import RunFolder

if TYPE_CHECKING:
    from longlag.flow.spectrum_table import Layer
    from longlag.model import SequenceModel
    from longlag.task import Task

_NEEDED = ("cell", "task", "init", "model", "engine", "seed", "run")


def run(arguments: Sequence[str]) -> int:
    """Run ``longlag jacobian`` and return its exit code.

    Raises:
        RequestError: the request was wrong, or the cell has no such Jacobian.

    """
    parser = CommandParser(
        "jacobian",
        "By how much a trained run stretches its state. For each layer, on the probe sequences: the singular values of"
        " the Jacobian over k steps, ds(1+k)/ds(1), and the Lyapunov exponents, in float64 and right far below the"
        " smallest number. The state s is all numbers that the next step reads.",
        ["longlag jacobian outputs/first/RUN", "longlag jacobian outputs/first/RUN --checkpoint init --png flow.png"],
    )
    parser.add_argument("run", metavar="RUN", help="the folder of a run, such as outputs/first/RUN")
    parser.add_argument(
        "--checkpoint",
        choices=("last", "best", "init"),
        default="last",
        help="the weights: those of the last checkpoint (the default), of the best one, or those of the seed, before"
        " training",
    )
    parser.add_argument("--sequences", type=int, default=8, help="how many probe sequences (8)")
    parser.add_argument("--steps", type=int, help="the most steps of each sequence, from its start; all if not given")
    parser.add_argument("--json", action="store_true", help="print everything, of each sequence too, as JSON")
    parser.add_argument("--png", metavar="FILE", help="save a picture too")
    options = parser.parse_args(list(arguments))
    for name, least, most in (("sequences", 1, 4096), ("steps", 2, sys.maxsize)):
        value = getattr(options, name)
        if value is not None and not least <= value <= most:
            at_most = f" and at most {most}" if value > most else ""
            raise RequestError(f"--{name} must be an integer of at least {least}{at_most}, got {value}")
    folder = RunFolder(Path(options.run))
    settings = _settings(folder)
    task, model, step = _restored(folder, settings, options.checkpoint)
    weights = "the weights of the seed" if step is None else f"{options.checkpoint}.ckpt, step {step}"
    layers = _measured(task, model, options.sequences, options.steps)
    _show(layers, f"{title(settings)}, {weights}", {"run": str(folder.path), "step": step}, options)
    return 0


def _show(layers: "Sequence[Layer]", heading: str, facts: dict[str, Any], options: Namespace) -> None:
    from longlag.flow.spectrum_table import plain, print_layers

    if options.json:
        facts |= {"checkpoint": options.checkpoint, "layers": [plain(layer) for layer in layers]}
        print(json.dumps(facts, indent=1, allow_nan=False))
    else:
        console = Console() if sys.stdout.isatty() else Console(width=200)
        console.print(heading, style="bold", highlight=False, markup=False, soft_wrap=True)
        print_layers(layers, console)
    if options.png is not None:
        _save(layers, heading, Path(options.png))
        print(options.png, file=sys.stderr if options.json else sys.stdout)


def _settings(folder: RunFolder) -> dict[str, Any]:
    """Read the settings of a run.

    Raises:
        RequestError: it is none.

    """
    try:
        settings = folder.read_config()
    except ValueError as error:
        inside = sorted(path.parent for path in folder.path.glob("*/config.yaml"))
        hint = f"; name one of its runs, such as {inside[0]}" if inside else ""
        raise RequestError(f"{error}{hint}") from error
    for key in _NEEDED:
        if key not in settings:
            raise RequestError(f"the config.yaml in {folder.path} has no {key}: a run of this version has one")
    return settings


def _restored(
    folder: RunFolder, settings: Mapping[str, Any], checkpoint: str
) -> tuple["Task", "SequenceModel", int | None]:
    """Return the task, and the model with the weights of a checkpoint, or of the seed, and their step.

    Raises:
        RequestError: there is no such checkpoint, or it does not fit.

    """
    import lightning
    import torch
    from lightning.pytorch.utilities.seed import isolate_rng

    from longlag.cli.assemble import model_of, task_of

    task = task_of(settings)
    with isolate_rng():
        lightning.seed_everything(settings["seed"], verbose=False)  # as a run does it
        model = model_of(settings, task)
    if checkpoint == "init":
        return task, model, None
    path = folder.checkpoints / f"{checkpoint}.ckpt"
    if not path.exists():
        raise RequestError(f"there is no {path}; --checkpoint init takes the weights with which the run started")
    try:
        found = torch.load(path, weights_only=True, map_location="cpu")
        weights = {key.removeprefix("model."): value for key, value in found["state_dict"].items()}
        model.load_state_dict(weights)
        return task, model, int(found["global_step"])
    except Exception as error:
        raise RequestError(f"cannot use {path}: {type(error).__name__}: {error}"[:300]) from error


def _measured(task: "Task", model: "SequenceModel", sequences: int, steps: int | None) -> "list[Layer]":
    """Return what there is to say of each layer, from the input up.

    Raises:
        RequestError: a layer has no Jacobians.

    """
    from longlag.flow.jacobian import NoJacobianError, spectrum, step_jacobians, taped

    probe = task.draw("probe", 0, sequences)
    lengths = probe.lengths if steps is None else probe.lengths.clamp(max=steps)
    found: list[Layer] = []
    tapes = taped(model, probe.inputs[:, : int(lengths.max())], lengths)
    with Console(stderr=True).status("") as status:  # which is seen in a terminal only
        for number, tape in enumerate(tapes, start=1):
            status.update(f"layer {number} of {len(tapes)}")
            try:
                jacobians = step_jacobians(tape, lengths)
            except NoJacobianError as error:
                raise RequestError(f"layer {number}: {error}" if len(tapes) > 1 else str(error)) from error
            found.append((type(tape.cell).__name__, jacobians, spectrum(jacobians)))
    return found


def _save(layers: "Sequence[Layer]", heading: str, path: Path) -> None:
    from longlag.flow.spectrum_picture import save_spectra

    drawn = [(f"layer {number}, {name}", spectrum) for number, (name, _, spectrum) in enumerate(layers, start=1)]
    try:
        save_spectra(drawn, heading, path)
    except OSError as error:
        raise RequestError(f"--png: cannot write {path}: {error.strerror}") from error
