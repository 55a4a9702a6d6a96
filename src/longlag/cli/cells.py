"""``longlag cells``: the catalogue of cells."""

from collections.abc import Sequence

from longlag.cli.catalogue import print_catalogue


def run(arguments: Sequence[str]) -> int:
    """Run ``longlag cells`` and return its exit code."""
    return print_catalogue("cell", arguments)
