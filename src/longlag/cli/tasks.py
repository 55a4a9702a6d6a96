"""``longlag tasks``: the catalogue of tasks."""

from collections.abc import Sequence

from longlag.cli.catalogue import print_catalogue


def run(arguments: Sequence[str]) -> int:
    """Run ``longlag tasks`` and return its exit code."""
    return print_catalogue("task", arguments)
