"""The command lines of the commands beside ``train``."""

import argparse
from collections.abc import Sequence
from typing import NoReturn

from longlag.cli.requests import RequestError


class CommandParser(argparse.ArgumentParser):
    """An argument parser that says what is wrong in one line, without the usage.

    Args:
        command: the name of the command.
        description: what it does.
        examples: some calls.

    """

    def __init__(self, command: str, description: str, examples: Sequence[str]) -> None:
        super().__init__(prog=f"longlag {command}", description=description, epilog=f"examples: {'; '.join(examples)}")

    def error(self, message: str) -> NoReturn:
        """Say it in one line.

        Raises:
            RequestError: always.

        """
        raise RequestError(f"{message}; {self.prog} --help shows what there is")


class Parser(CommandParser):
    """A command parser that takes settings as ``longlag train`` does.

    Args:
        command: the name of the command.
        description: what it does.
        examples: some calls.
        takes: the parts of the configuration that it takes, such as ``task`` with all its settings, or ``seed``.

    """

    def __init__(self, command: str, description: str, examples: Sequence[str], takes: Sequence[str]) -> None:
        super().__init__(command, description, examples)
        self.takes = takes
        self.add_argument(
            "--config-dir", "-cd", metavar="DIR", help=f"a folder with more YAML files, {takes[0]}/NAME.yaml"
        )
        self.add_argument("overrides", nargs="*", metavar="KEY=VALUE", help=f"as for longlag train: {self._taken()}")

    def parsed(self, arguments: Sequence[str]) -> argparse.Namespace:
        """Return the options; ``overrides`` are about this command's part of the configuration.

        Raises:
            RequestError: they are not, or an option is wrong.

        """
        options = self.parse_intermixed_args(list(arguments))
        for override in options.overrides:
            key = override.lstrip("+~").split("=")[0].split("@")[0]
            if key.split(".")[0].split("/")[0] not in self.takes:
                raise RequestError(f"{self.prog} takes {self._taken()}, got {override!r}")
        return options

    def _taken(self) -> str:
        return ", ".join("seed=…" if part == "seed" else f"{part}=… and {part}.…=…" for part in self.takes)
