"""What a test reads back of a command: the runs of a study, and the rows of the printed table."""

from pathlib import Path

from longlag.runs import read_study


def runs(path="outputs/default"):
    return read_study(Path(path))


def table(said):
    """The rows of the table of runs, as words."""
    lines = [line.split() for line in said.out.splitlines()]
    start = next(k for k, words in enumerate(lines) if words[:2] == ["cell", "task"])
    stop = next(k for k, words in enumerate(lines[start:], start) if not words)
    return lines[start + 1 : stop]
