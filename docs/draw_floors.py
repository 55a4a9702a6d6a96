"""Draw the floors of longlag into docs/design.md, from the imports of its files.

``make floors`` writes the picture; ``python docs/draw_floors.py --check`` fails if it is not that of the imports.
"""

import ast
import sys
import textwrap
import tomllib
from pathlib import Path

import grimp

ROOT = Path(__file__).resolve().parents[1]
PAGE = ROOT / "docs" / "design.md"
BEGIN, END = "<!-- drawn by: make floors -->", "<!-- the end of the floors -->"
WIDTH = 100


def floors() -> list[list[str]]:
    """Return the rooms of each floor, from the top, as the import contract in pyproject.toml names them."""
    contracts = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["importlinter"]["contracts"]
    layers = next(contract["layers"] for contract in contracts if contract["name"].startswith("the floors"))
    return [[room.strip().removeprefix("longlag.") for room in layer.split("|")] for layer in layers]


def picture() -> str:
    """Return the picture: a floor a block; of each room its name, its docstring's first line, and what it imports."""
    graph = grimp.build_graph("longlag", cache_dir=None)
    rooms = [room for floor in floors() for room in floor]
    indent = max(map(len, rooms)) + 2
    imports = {
        room: {
            imported.split(".")[1]
            for module in graph.modules
            if f"{module}.".startswith(f"longlag.{room}.")
            for imported in graph.find_modules_directly_imported_by(module)
            if imported.startswith("longlag.")
        }
        for room in rooms
    }
    lines = []
    for floor in floors():
        lines.append("─" * WIDTH)
        for room in floor:
            below = [other for other in rooms if other in imports[room] and other != room]
            purpose = _wrapped(_docstring(room), indent)
            lines += [f"{room:{indent}}{purpose[0].lstrip()}", *purpose[1:]]
            lines += _wrapped(f"→ {', '.join(below)}", indent) if below else []
    return "\n".join(["```", *lines, "─" * WIDTH, "```"])


def _docstring(room: str) -> str:
    """Return the first line of a room's docstring."""
    path = ROOT / "src" / "longlag" / room
    file = path / "__init__.py" if path.is_dir() else path.with_suffix(".py")
    docstring = ast.get_docstring(ast.parse(file.read_text()))
    assert docstring, f"{file} has no docstring"
    return docstring.splitlines()[0]


def _wrapped(text: str, indent: int) -> list[str]:
    return textwrap.wrap(text, WIDTH, initial_indent=" " * indent, subsequent_indent=" " * indent)


def main() -> int:
    """Write the picture, or check it."""
    page = PAGE.read_text()
    start, rest = page.split(BEGIN)
    _, end = rest.split(END)
    drawn = f"{start}{BEGIN}\n{picture()}\n{END}{end}"
    if "--check" not in sys.argv:
        PAGE.write_text(drawn)
    elif drawn != page:
        print("the picture of the floors in docs/design.md is not that of the imports: make floors", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
