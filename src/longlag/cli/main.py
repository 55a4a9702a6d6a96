"""``longlag``: run one of the commands."""

import _thread
import difflib
import importlib
import logging
import os
import signal
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import NoReturn

from longlag import __version__
from longlag.errors import RequestError
from longlag.terminal import print_what_fits

#: command -> (module with a function ``run(arguments) -> exit code``, one line of help)
COMMANDS = {
    "train": ("longlag.cli.train", "train a cell on a task; -m for a grid of runs"),
    "runs": ("longlag.cli.runs", "the table of what ran, and how often it was solved"),
    "report": ("longlag.cli.report", "compare runs on one HTML page: curves, error flow, solve rates"),
    "jacobian": ("longlag.cli.jacobian", "the Jacobian of a trained run: singular values, Lyapunov exponents"),
    "publish": ("longlag.cli.publish", "send a study to W&B, with a workspace that compares its runs"),
    "check": ("longlag.cli.check", "test the claims of a cell, yours too, and print its figures"),
    "show": ("longlag.cli.show", "draw some sequences of a task, in the terminal or as a picture"),
    "audit": ("longlag.cli.audit", "is a task really long-lag? three baselines try it"),
    "bench": ("longlag.cli.bench", "how fast is each way to run a cell, on this machine?"),
}

HELP = f"""longlag {__version__}: how far back can a recurrent cell remember, and why?

usage: longlag COMMAND [ARGUMENT ...]

commands:
{chr(10).join(f"  {name:10}{line}" for name, (_, line) in COMMANDS.items())}

  longlag COMMAND --help    what a command takes
  longlag --version

examples:
  longlag train                                    an LSTM on delayed XOR over 60 steps
  longlag train cell=rnn task.T=20 seed=3
  longlag train -m cell=rnn,lstm task.T=20,60 cell.forget_bias=0,1,3 'seed=range(3)' study=first
  longlag runs outputs/first
  longlag report outputs/first
  longlag check cell=lstm
  longlag show task=adding task.T=20
  longlag audit task=adding
  longlag bench cell=lstm

shell completion (bash; zsh and fish likewise):
  eval "$(longlag -sc install=bash)"

exit codes: 0 well, 1 a run or a check failed, 2 the request was wrong
"""


def entry() -> NoReturn:
    """Run ``longlag`` as the only command of this process, and end the process.

    A further signal while the process ends is no news: it ends the process at once, without a traceback.
    """
    sys.unraisablehook = _unraisable
    try:
        code = main()
    except KeyboardInterrupt:  # another one, while main handled the first
        code = 1
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, signal.SIG_DFL)
    sys.exit(code)


def _unraisable(event: "sys.UnraisableHookArgs") -> None:
    """Raise an interrupt again that came inside of a finalizer, where Python drops and prints all exceptions."""
    if event.exc_type is KeyboardInterrupt:
        _thread.interrupt_main()
    else:
        sys.__unraisablehook__(event)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run ``longlag`` and return its exit code."""
    arguments = list(sys.argv[1:] if arguments is None else arguments)
    print_what_fits()
    if not arguments or arguments[0] in ("-h", "--help", "help"):
        print(HELP, end="")
        return 0
    if arguments[0] in ("-V", "--version"):
        print(f"longlag {__version__}")
        return 0
    try:
        if arguments[0] in ("-sc", "--shell-completion"):
            return _complete(arguments)
        command, *rest = arguments
        if command not in COMMANDS:
            near = difflib.get_close_matches(command, COMMANDS, n=1)
            meant = f"; did you mean {near[0]}?" if near else ""
            raise RequestError(f"no command {command!r}; there are: {', '.join(COMMANDS)}{meant}")
        here = str(Path.cwd())
        if "" not in sys.path and here not in sys.path:
            sys.path.append(here)  # cells and tasks of a reader lie in the current folder
        for name in ("hydra", "matplotlib"):  # our one line replaces the messages of Hydra; a font cache is no news
            logging.getLogger(name).addHandler(logging.NullHandler())
        code: int = importlib.import_module(COMMANDS[command][0]).run(rest)
        sys.stdout.flush()
    except RequestError as error:
        if os.environ.get("HYDRA_FULL_ERROR") == "1":  # the switch of Hydra for the full traceback
            raise
        print(f"longlag: {error}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        print("longlag: interrupted", file=sys.stderr)
        return 1
    except BrokenPipeError:  # the reader of our output has closed the pipe, as head does
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0
    return code


def _complete(arguments: list[str]) -> int:
    """Complete the commands; Hydra's shell completion, which does not know them, completes the settings."""
    line = os.environ.get("COMP_LINE", "")
    words = line.split()
    if any(argument.startswith("query=") for argument in arguments):
        if len(words) < 2 or (len(words) == 2 and not line.endswith(" ")):
            print(" ".join(COMMANDS))
            return 0
        os.environ["COMP_LINE"] = line.replace(f" {words[1]}", "", 1)
    code: int = importlib.import_module("longlag.cli.train").run(arguments)
    return code
