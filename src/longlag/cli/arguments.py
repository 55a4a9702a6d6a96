"""The argument parsers of the commands, except for ``train``."""

import argparse
from collections.abc import Sequence
from typing import NoReturn

from longlag.errors import RequestError
from longlag.settings.words import check_once


class CommandParser(argparse.ArgumentParser):
    """An argument parser that reports an error in one line, without the usage.

    Args:
        command: the name of the command.
        description: the description in its help text.
        examples: example calls.

    """

    def __init__(self, command: str, description: str, examples: Sequence[str]) -> None:
        super().__init__(prog=f"longlag {command}", description=description, epilog=f"examples: {'; '.join(examples)}")

    def error(self, message: str) -> NoReturn:
        """Report an error in one line.

        Raises:
            RequestError: always.

        """
        raise RequestError(f"{message}; {self.prog} --help shows what there is")


def add_trust(parser: argparse.ArgumentParser) -> None:
    """Add ``--trust``, for a command that makes the task and the model of a run folder."""
    parser.add_argument(
        "--trust",
        action="store_true",
        help="make the task and the model even of classes that are none of longlag's, torch's, torchmetrics' and"
        " lightning's: such a class can run any code",
    )


class Parser(CommandParser):
    """A command parser that takes settings like ``longlag train``.

    Args:
        command: the name of the command.
        description: the description in its help text.
        examples: example calls.
        takes: the parts of the configuration that the command takes, such as ``task`` with all its settings, or
            ``seed``.

    """

    def __init__(self, command: str, description: str, examples: Sequence[str], takes: Sequence[str]) -> None:
        super().__init__(command, description, examples)
        self.takes = takes
        self.add_argument(
            "--config-dir", "-cd", metavar="DIR", help=f"a folder with more YAML files, {takes[0]}/NAME.yaml"
        )
        self.add_argument("overrides", nargs="*", metavar="KEY=VALUE", help=f"as for longlag train: {self._accepted()}")

    def parsed(self, arguments: Sequence[str]) -> argparse.Namespace:
        """Return the options, after a check that ``overrides`` concern the parts that the command takes.

        Raises:
            RequestError: an override concerns another part, or an option is wrong.

        """
        options = self.parse_intermixed_args(list(arguments))
        check_once(options.overrides)
        for override in options.overrides:
            key = override.lstrip("+~").split("=")[0].split("@")[0]
            if key.split(".")[0].split("/")[0] not in self.takes:
                raise RequestError(f"{self.prog} takes {self._accepted()}, got {override!r}")
        return options

    def _accepted(self) -> str:
        return ", ".join("seed=…" if part == "seed" else f"{part}=… and {part}.…=…" for part in self.takes)
