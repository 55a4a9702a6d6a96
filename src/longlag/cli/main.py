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
from longlag.cli.commands import COMMANDS
from longlag.cli.completion import complete
from longlag.errors import RequestError
from longlag.terminal import print_starting, print_what_fits

HELP = f"""longlag {__version__}: how far back can a recurrent cell remember, and why?

usage: longlag COMMAND [ARGUMENT ...]

commands:
{chr(10).join(f"  {name:10}{line}" for name, (_, line) in COMMANDS.items())}

  longlag COMMAND --help    what a command takes
  longlag --version

examples:
  longlag tasks
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

GREETING = f"""longlag {__version__}: how far back can a recurrent cell remember, and why?

  longlag train -m experiment=demo   LSTM against RNN over 60 steps, three seeds each
  longlag tasks                      what one can train on; longlag cells: what one can train
  longlag --help                     all commands, with examples
"""


def entry() -> NoReturn:
    """Run ``longlag`` as the only command of this process, and end the process.

    A further signal while the process ends is no news: it ends the process at once, without a traceback.
    """
    sys.unraisablehook = _unraisable
    code = 1
    try:
        try:
            code = main()
        finally:
            for number in (signal.SIGINT, signal.SIGTERM):
                signal.signal(number, signal.SIG_DFL)
    except KeyboardInterrupt:  # another one, while main handled the first, or just after
        pass
    if code:
        _forget_interrupts()
    sys.exit(code)


def _forget_interrupts() -> None:
    """Have the process end with our exit code.

    An interrupt that has passed through the import of a C extension makes Python end by SIGINT, however it was handled.
    The next code that Python runs by this function resets the mark.
    """
    import ctypes

    ctypes.pythonapi.PyRun_SimpleString(b"")


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
        print(HELP if arguments else GREETING, end="")
        return 0
    if arguments[0] in ("-V", "--version"):
        print(f"longlag {__version__}")
        return 0
    try:
        if arguments[0] in ("-sc", "--shell-completion"):
            return complete(arguments)
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
        if {"-h", "--help"}.isdisjoint(rest):
            print_starting()
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
