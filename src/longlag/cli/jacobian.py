"""``longlag jacobian``: how much a trained run stretches its state, over k steps and in the limit."""

import json
import sys
from argparse import Namespace
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rich.console import Console

from longlag.api.run import load_run
from longlag.cli.arguments import CommandParser, add_trust
from longlag.errors import RequestError
from longlag.settings.names import run_title
from longlag.terminal import print_line, stdout_console

if TYPE_CHECKING:
    from longlag.model import SequenceModel
    from longlag.spectrum.table import Layer
    from longlag.task import Task


def run(arguments: Sequence[str]) -> int:
    """Run ``longlag jacobian`` and return its exit code.

    Raises:
        RequestError: the request was wrong, or the cell has no such Jacobian.

    """
    parser = CommandParser(
        "jacobian",
        "How much a trained run stretches its state. For each layer, on the probe sequences: the singular values of"
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
    parser.add_argument("--sequences", type=int, default=8, help="the number of probe sequences (8)")
    parser.add_argument("--steps", type=int, help="the most steps of each sequence, from its start (all)")
    parser.add_argument("--json", action="store_true", help="print all figures, those of each sequence too, as JSON")
    parser.add_argument("--png", metavar="FILE", help="save a picture too")
    add_trust(parser)
    options = parser.parse_args(list(arguments))
    for name, least, most in (("sequences", 1, 4096), ("steps", 2, sys.maxsize)):
        value = getattr(options, name)
        if value is not None and not least <= value <= most:
            at_most = f" and at most {most}" if value > most else ""
            raise RequestError(f"--{name} must be an integer of at least {least}{at_most}, got {value}")
    trained = load_run(options.run, options.trust)
    model, step = trained.model(options.checkpoint), trained.step(options.checkpoint)
    weights = "the weights of the seed" if step is None else f"{options.checkpoint}.ckpt, step {step}"
    layers = _measured(trained.task, model, options.sequences, options.steps)
    _show(layers, f"{run_title(trained.settings)}, {weights}", {"run": str(trained.path), "step": step}, options)
    return 0


def _show(layers: "Sequence[Layer]", heading: str, facts: dict[str, Any], options: Namespace) -> None:
    from longlag.spectrum.table import plain, print_layers

    if options.json:
        facts |= {"checkpoint": options.checkpoint, "layers": [plain(layer) for layer in layers]}
        print(json.dumps(facts, indent=1, allow_nan=False))
    else:
        console = stdout_console()
        print_line(console, heading, style="bold")
        print_layers(layers, console)
    if options.png is not None:
        _save(layers, heading, Path(options.png))
        print(options.png, file=sys.stderr if options.json else sys.stdout)


def _measured(task: "Task", model: "SequenceModel", sequences: int, steps: int | None) -> "list[Layer]":
    """Return the Jacobians and the spectrum of each layer, from the input up.

    Raises:
        RequestError: a layer has no Jacobians, or the sequences need more memory than there is.

    """
    from longlag.settings.memory import check_draw
    from longlag.spectrum.jacobian import NoJacobianError, spectrum, step_jacobians, taped

    check_draw(task, "probe", sequences)
    probe = task.draw("probe", 0, sequences)
    lengths = probe.lengths if steps is None else probe.lengths.clamp(max=steps)
    layers: list[Layer] = []
    tapes = taped(model, probe.inputs[:, : int(lengths.max())], lengths)
    with Console(stderr=True).status("") as status:  # visible in a terminal only
        for number, tape in enumerate(tapes, start=1):
            status.update(f"layer {number} of {len(tapes)}")
            try:
                jacobians = step_jacobians(tape, lengths)
            except NoJacobianError as error:
                raise RequestError(f"layer {number}: {error}" if len(tapes) > 1 else str(error)) from error
            layers.append((type(tape.cell).__name__, jacobians, spectrum(jacobians)))
    return layers


def _save(layers: "Sequence[Layer]", heading: str, path: Path) -> None:
    from longlag.spectrum.picture import save_spectra

    drawn = [(f"layer {number}, {name}", spectrum) for number, (name, _, spectrum) in enumerate(layers, start=1)]
    try:
        save_spectra(drawn, heading, path)
    except OSError as error:
        raise RequestError(f"--png: cannot write {path}: {error.strerror}") from error
