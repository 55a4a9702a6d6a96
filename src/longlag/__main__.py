"""``longlag``, and ``python -m longlag``, which is the same."""

import signal


def entry() -> None:
    """Import the command line, and run the command; a Ctrl-C in the import ends the process without a traceback."""
    heard = signal.getsignal(signal.SIGINT) is signal.default_int_handler  # else it is ignored, and stays so
    if heard:
        signal.signal(signal.SIGINT, signal.SIG_DFL)
    from longlag.cli import main

    if heard:
        signal.signal(signal.SIGINT, signal.default_int_handler)
    main.entry()


if __name__ == "__main__":
    entry()
