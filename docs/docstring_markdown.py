"""A docstring as Markdown, for the reference pages."""

import inspect
import re


def markdown(docstring: str) -> str:
    """Return a docstring as Markdown: its literal blocks are code, its sections lists."""
    lines: list[str] = []
    block = section = False
    for line in inspect.cleandoc(docstring).splitlines():
        if line.strip() and not line.startswith(" "):
            block = section = False
        if re.fullmatch(r"(Args|Returns|Raises|Yields|Attributes):", line):
            section = True
            lines += [f"**{line}**", ""]
        elif section and (item := re.match(r"    (\*{0,2}\w+): (.*)", line)):
            lines.append(f"- `{item[1]}`: {_prose(item[2])}")
        elif section and line.strip():
            lines.append(f"  {_prose(line.strip())}")
        elif line.rstrip().endswith("::"):
            block = True
            lines += [_prose(line.rstrip().removesuffix("::") + ":"), ""] if line.strip() != "::" else []
        else:
            lines.append(line if block else _prose(line))
    return "\n".join(lines).strip()


def _prose(line: str) -> str:
    line = re.sub(r":\w+:`~?([^`]+)`", r"`\1`", line.replace("``", "`"))
    pieces = re.split(r"(`[^`]*`)", line)
    return "".join(each if each.startswith("`") else re.sub(r"([*<_])", r"\\\1", each) for each in pieces)
