"""Draw the pages of docs/reference from the YAML files, the docstrings and the parsers of the commands.

``make reference`` writes them; ``python docs/draw_reference.py --check`` fails if a page is not what it would write.
Nothing here imports torch.
"""

import argparse
import ast
import contextlib
import importlib
import io
import re
import sys
from collections.abc import Iterator
from pathlib import Path
from unittest import mock

import yaml
from docstring_markdown import markdown

from longlag.cli.commands import COMMANDS

ROOT = Path(__file__).resolve().parents[1]
CONF, SOURCE, OUT = ROOT / "conf", ROOT / "src" / "longlag", ROOT / "docs" / "reference"
DRAWN = "<!-- drawn by: make reference -->\n"

#: What a key chooses, in the order of docs/reference/settings.md: the folder in conf, and a sentence.
GROUPS = {
    "cell": "The cell. [The cells](cells.md) has all of them with their equations.",
    "init": "How the forget gates start.",
    "task": "The task. [The tasks](tasks.md) has all of them with their settings.",
    "task/splits": "The sequences for training, validation and test.",
    "optimizer": "The optimizer; every number of it is a key, `optimizer.lr=1e-3`.",
    "trainer": "Lightning's Trainer.",
    "logger": "What keeps the curves.",
    "probe": "What is measured beside the loss.",
    "callbacks": "More callbacks.",
    "hydra/launcher": "Where the jobs of a grid run.",
    "hydra/sweeper": "How a grid or a search chooses its jobs.",
}

#: The classes and functions of docs/reference/python.md: a file below src/longlag, and names in it.
API = {
    "Settings and objects": {
        "api/settings.py": ["compose", "build_task", "build_model", "build_cell"],
    },
    "Train, and read runs back": {
        "api/train.py": ["train"],
        "api/run.py": ["load_run", "Run"],
        "api/study.py": ["load_study", "Study"],
    },
    "Models and layers": {
        "layers/recurrent_layer.py": ["RecurrentLayer"],
        "model.py": ["SequenceModel"],
        "training/module.py": ["SequenceModule"],
    },
    "What one derives from": {
        "cells/cell.py": ["Cell"],
        "cells/gated.py": ["GatedCell"],
        "cells/linear.py": ["LinearCell"],
        "task/base.py": ["Task"],
        "task/batch.py": ["Batch"],
        "engine/base.py": ["Engine"],
        "metric.py": ["Metric"],
    },
    "Measurements": {
        "flow/early_gradient.py": ["early_gradient"],
        "flow/error_flow.py": ["error_flow"],
        "spectrum/jacobian.py": ["taped", "step_jacobians", "spectrum", "StepJacobians", "Spectrum"],
    },
}


def pages() -> dict[str, str]:
    """Return the text of each page by its file name."""
    texts = {
        "settings.md": _settings(),
        "commands.md": _commands(),
        "python.md": _python(),
        "cells.md": _catalogue("cell", "The cells", SOURCE / "cells"),
        "tasks.md": _catalogue("task", "The tasks", ROOT / "tasks"),
    }
    return {name: f"{DRAWN}{text.rstrip()}\n" for name, text in texts.items()}


def _settings() -> str:
    lines = [
        "# The settings",
        "",
        "What `longlag train` takes, with the defaults. `GROUP=OPTION` chooses a file, `KEY=VALUE` sets",
    ]
    lines += [
        "a key of it: `cell=gru cell.hidden_size=64`. `longlag train … --cfg job` prints the settings of a command.",
        "",
    ]
    lines += ["## All runs", "", _yaml_block(_body(CONF / "train.yaml")), ""]
    for group, sentence in GROUPS.items():
        lines += [f"## {group}", "", sentence, ""]
        if group in ("cell", "task"):
            continue
        for file in sorted((CONF / group).glob("*.yaml")):
            lines += [f"### {group}={file.stem}", "", f"{_about(file)}.", ""]
            body = _body(file)
            lines += [_yaml_block(body), ""] if body.strip() not in ("", "{}") else []
    lines += [
        "## experiment",
        "",
        "Named studies, and an easy setting of every task.",
        "",
        "| `experiment=` | |",
        "|---|---|",
    ]
    for file in sorted((CONF / "experiment").rglob("*.yaml")):
        name = file.relative_to(CONF / "experiment").with_suffix("").as_posix()
        lines.append(f"| `{name}` | {_about(file)} |")
    return "\n".join(lines)


def _commands() -> str:
    lines = ["# The commands", "", "| | |", "|---|---|"]
    lines += [f"| [`longlag {name}`](#longlag-{name}) | {line} |" for name, (_, line) in COMMANDS.items()]
    lines += ["", "Exit codes: 0 well, 1 a run or a check failed, 2 the request was wrong, said in one line.", ""]
    for name, (module, line) in COMMANDS.items():
        lines += [f"## longlag {name}", "", f"{line[0].upper()}{line[1:]}{'' if line.endswith('?') else '.'}", ""]
        lines += _train_help() if name == "train" else _help(module)
    return "\n".join(lines)


def _train_help() -> list[str]:
    told = yaml.safe_load((CONF / "hydra" / "help" / "longlag.yaml").read_text(encoding="utf-8"))
    usage = re.search(r"usage: .*?(?=\n\s*Groups)", told["template"], re.DOTALL)
    assert usage is not None
    text = f"{usage[0].rstrip()}\n\n{told['footer'].strip()}".replace("$$", "$")
    return ["```", text, "```", "", "Groups and keys: [the settings](settings.md).", ""]


def _help(module: str) -> list[str]:
    """Return what a command's parser takes; its own layout differs between the versions of Python."""
    caught: list[argparse.ArgumentParser] = []
    printed = io.StringIO()
    with (
        mock.patch.object(argparse.ArgumentParser, "print_help", lambda self, file=None: caught.append(self)),
        contextlib.redirect_stdout(printed),
        contextlib.suppress(SystemExit),
    ):
        importlib.import_module(module).run(["--help"])
    if not caught:
        return ["```", printed.getvalue().rstrip(), "```", ""]
    parser = caught[0]
    lines = [_cell(parser.description or ""), "", "| | |", "|---|---|"]
    for action in parser._actions:
        if action.dest == "help":
            continue
        names = ", ".join(action.option_strings)
        takes = action.metavar or (
            "{" + ",".join(map(str, action.choices)) + "}" if action.choices else action.dest.upper()
        )
        value = "" if action.nargs == 0 else str(takes)
        lines.append(f"| `{' '.join(filter(None, (names, value)))}` | {_cell((action.help or '') % _fields(action))} |")
    examples = (parser.epilog or "").removeprefix("examples: ").split("; ")
    return [*lines, "", "```", *filter(None, examples), "```", ""]


def _fields(action: argparse.Action) -> dict[str, object]:
    return {**vars(action), "default": action.default}


def _python() -> str:
    lines = [
        "# The Python interface",
        "",
        "`import longlag` imports nothing heavy; each name is imported when it is used.",
        "Scripts: [From Python](../python.md).",
        "",
    ]
    for title, files in API.items():
        lines += [f"## {title}", ""]
        for file, names in files.items():
            tree = ast.parse((SOURCE / file).read_text(encoding="utf-8"))
            for node in tree.body:
                if isinstance(node, ast.ClassDef | ast.FunctionDef) and node.name in names:
                    lines += _documented(node, _module(file))
    return "\n".join(lines)


def _module(file: str) -> str:
    """Return the public package of a file: the face of longlag for its own names, else the package that it lies in."""
    return (
        "longlag"
        if file.startswith(("api/", "model", "training/module"))
        else f"longlag.{Path(file).parts[0].removesuffix('.py')}"
    )


def _documented(node: ast.ClassDef | ast.FunctionDef, module: str) -> list[str]:
    lines = [f"### {module}.{node.name}", ""]
    if isinstance(node, ast.FunctionDef):
        lines += ["```python", _signature(node), "```", ""]
    lines += [markdown(ast.get_docstring(node) or ""), ""]
    if isinstance(node, ast.ClassDef):
        methods = {
            each.name: each for each in node.body if isinstance(each, ast.FunctionDef)
        }  # the last of an overload
        for name, method in methods.items():
            if name == "__init__" or (not name.startswith("_") and ast.get_docstring(method)):
                lines += ["```python", _signature(method, node.name if name == "__init__" else None), "```", ""]
                if name != "__init__":
                    lines += [markdown(ast.get_docstring(method) or ""), ""]
    return lines


def _signature(node: ast.FunctionDef, name: str | None = None) -> str:
    decorators = [ast.unparse(each) for each in node.decorator_list]
    if "property" in decorators:
        return f"{node.name}: {ast.unparse(node.returns)}" if node.returns else node.name
    taken = ast.unparse(node.args).removeprefix("self").removeprefix(", ")
    returns = f" -> {ast.unparse(node.returns)}" if node.returns and name is None else ""
    return f"{name or node.name}({taken}){returns}"


def _catalogue(group: str, title: str, folder: Path) -> str:
    """Return a page of all cells or tasks: a sentence, a picture, the class's docstring, the settings."""
    classes = {
        node.name: node
        for file in sorted(folder.glob("*.py"))
        for node in ast.parse(file.read_text(encoding="utf-8")).body
        if isinstance(node, ast.ClassDef)
    }
    files = sorted((CONF / group).glob("*.yaml"))
    more = f"[More about them, with figures](../{group}s.md)."
    lines = [f"# {title}", "", more, "", f"| `{group}=` | |", "|---|---|"]
    lines += [f"| [`{file.stem}`](#{file.stem}) | {_about(file)} |" for file in files]
    for file in files:
        lines += ["", f"## {file.stem}", "", f"{_about(file)}.", ""]
        if (ROOT / "docs" / "pictures" / f"{file.stem}.png").is_file():
            lines += [f"![{file.stem}](../pictures/{file.stem}.png)", ""]
        settings = yaml.safe_load(file.read_text(encoding="utf-8"))
        if "_target_" in settings:
            node = classes[settings["_target_"].split(".")[-1]]
            lines += [f"**{node.name}.** {markdown(ast.get_docstring(node) or '')}", ""]
        else:
            base = next(each for each in settings["defaults"] if isinstance(each, str) and each != "_self_")
            lines += [f"Rule and source: [{base}](#{base}).", ""]
        lines += [_yaml_block(_body(file))]
    return "\n".join(lines)


def _cell(text: str) -> str:
    return " ".join(text.split()).replace("|", "\\|")


def _about(file: Path) -> str:
    """Return the comment at the top of a YAML file, without its last full stop."""
    return " ".join(line[1:].strip() for line in _head(file) if "@package" not in line).removesuffix(".")


def _head(file: Path) -> Iterator[str]:
    for line in file.read_text(encoding="utf-8").splitlines():
        if not line.startswith("#"):
            return
        yield line


def _body(file: Path) -> str:
    lines = file.read_text(encoding="utf-8").splitlines()
    return "\n".join(lines[len(list(_head(file))) :])


def _yaml_block(text: str) -> str:
    return f"```yaml\n{text.strip()}\n```"


def main() -> int:
    """Write the pages, or check them."""
    drawn = pages()
    if "--check" not in sys.argv:
        OUT.mkdir(exist_ok=True)
        for name, text in drawn.items():
            (OUT / name).write_text(text, encoding="utf-8")
        return 0
    stale = [
        name
        for name, text in drawn.items()
        if not (OUT / name).is_file() or (OUT / name).read_text(encoding="utf-8") != text
    ]
    if stale:
        print(f"docs/reference is not what the code says ({', '.join(stale)}): make reference", file=sys.stderr)
    return 1 if stale else 0


if __name__ == "__main__":
    sys.exit(main())
