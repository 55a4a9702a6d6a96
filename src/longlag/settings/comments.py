"""The comments of the YAML files: what a file is for, and what each of its keys means."""

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import yaml


def about(file: Path) -> str:
    """Return the comment at the top of a YAML file, as one line."""
    words = []
    for line in file.read_text(encoding="utf-8").splitlines():
        if not line.startswith("#"):
            break
        words.append("" if "@package" in line else line.lstrip("# "))
    return " ".join(filter(None, words))


def comments_of(choices: Mapping[str, Any], places: Sequence[Path]) -> dict[str, str]:
    """Return the comments beside the keys of composed settings: ``cell.forget_bias`` -> comment.

    Args:
        choices: group -> name of the chosen file, as Hydra tells them.
        places: the folders of the YAML files; the file in a later folder adds to that in an earlier one.

    """
    found: dict[str, str] = {}
    for place in places:
        found |= _of_file(place / "train.yaml", ())
    for group, name in choices.items():
        if isinstance(name, str):
            found |= _of_option([place / group for place in places], name, tuple(group.split("/")))
    return found


def _of_option(folders: Sequence[Path], name: str, package: tuple[str, ...]) -> dict[str, str]:
    """Return the comments in an option, and in those of its group that it is based on."""
    found: dict[str, str] = {}
    for file in [folder / f"{name}.yaml" for folder in folders]:
        for base in _bases(file) if file.is_file() else ():
            if base != name:
                found |= _of_option(folders, base, package)
        found |= _of_file(file, package)
    return found


def _bases(file: Path) -> list[str]:
    read = yaml.safe_load(file.read_text(encoding="utf-8"))
    defaults = read.get("defaults") if isinstance(read, dict) else None
    return [one for one in defaults or () if isinstance(one, str) and one != "_self_"]


def _of_file(file: Path, package: tuple[str, ...]) -> dict[str, str]:
    if not file.is_file():
        return {}
    text = file.read_text(encoding="utf-8")
    root = yaml.compose(text, Loader=yaml.SafeLoader)
    if text.startswith("# @package _global_"):
        package = ()
    return dict(_beside(root, package, text.splitlines())) if isinstance(root, yaml.MappingNode) else {}


def _beside(node: yaml.MappingNode, path: tuple[str, ...], lines: Sequence[str]) -> Iterator[tuple[str, str]]:
    """Yield each key below a node that has a comment, with the comment."""
    for key, value in node.value:
        inner = (*path, str(key.value))
        nested = isinstance(value, yaml.MappingNode) and not value.flow_style
        end = key.end_mark if nested else value.end_mark
        if comment := _comment(lines, end.line, end.column):
            yield ".".join(inner), comment
        if nested:
            yield from _beside(value, inner, lines)


def _comment(lines: Sequence[str], number: int, column: int) -> str:
    """Return the comment after a column of a line, with the lines of comment straight below it."""
    if number >= len(lines):
        return ""
    _, mark, text = lines[number][column:].partition("#")
    if not mark or lines[number][column:].lstrip(": \t")[:1] != "#":
        return ""
    words, at = [text.strip()], lines[number].index("#", column)
    for line in lines[number + 1 :]:
        if at == 0 or len(line) - len(line.lstrip()) != at or line[at] != "#":
            break
        words.append(line[at + 1 :].strip())
    return " ".join(words)
