"""Count what happens between a command and the first training step.

``python bench/way_in.py`` types a default run and a grid of four. It prints for each: the files of longlag whose
functions are called before Lightning's ``fit`` begins, the changes from one file to another, and the configurations,
models and Trainers that are made until then and in the whole command.
"""

import argparse
import inspect
import sys
import tempfile
from collections import Counter
from pathlib import Path
from types import FrameType
from typing import Any

import longlag

PACKAGE = Path(longlag.__file__).parent
COMMANDS = {"a default run": [], "a grid of 4": ["-m", "seed=0,1", "task.T=10,20"]}


class Counts:
    """Calls of functions of the package until ``fit``, and what is made."""

    def __init__(self) -> None:
        self.files: Counter[str] = Counter()
        self.changes = 0
        self.built: Counter[str] = Counter()
        self.before: Counter[str] | None = None
        self._last = ""

    def __call__(self, frame: FrameType, event: str, argument: Any) -> None:
        """Take one event of :func:`sys.setprofile`."""
        if event != "call":
            return
        code = frame.f_code
        path, name = code.co_filename, code.co_name
        if path.endswith("lightning/pytorch/trainer/trainer.py"):
            self.built["Trainers"] += name == "__init__"
            if name == "fit" and self.before is None:
                self.before = self.built.copy()
        elif name == "_load_configuration_impl" and path.endswith("hydra/_internal/config_loader_impl.py"):
            self.built["compositions"] += 1
        if not path.startswith(str(PACKAGE)):
            return
        if path.endswith("longlag/model.py") and name == "__init__" and "SequenceModel" in code.co_qualname:
            self.built["models"] += 1
        if self.before is not None or not code.co_flags & inspect.CO_NEWLOCALS or self._importing(frame):
            return
        file = str(Path(path).relative_to(PACKAGE))
        self.files[file] += 1
        self.changes += file != self._last
        self._last = file

    @staticmethod
    def _importing(frame: FrameType) -> bool:
        """Return whether a function is called by a module that is being imported."""
        caller = frame.f_back
        while caller is not None and caller.f_code.co_filename.startswith(str(PACKAGE)):
            if not caller.f_code.co_flags & inspect.CO_NEWLOCALS:
                return True
            caller = caller.f_back
        return False


def main() -> None:
    """Print the counts of each command."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--files", action="store_true", help="name the files")
    arguments = parser.parse_args()
    from longlag.cli.main import main as command

    for title, overrides in COMMANDS.items():
        with tempfile.TemporaryDirectory() as folder:
            counts = Counts()
            sys.argv = [
                "longlag", "train", *overrides, "trainer.max_steps=2", "logger=csv", f"output_dir={folder}",
            ]  # fmt: skip
            sys.setprofile(counts)
            try:
                command()
            except SystemExit:
                pass
            finally:
                sys.setprofile(None)
        before = counts.before or Counter()
        print(f"\n{title}: {len(counts.files)} files entered, {counts.changes} changes of file before fit")
        for kind in ("compositions", "models", "Trainers"):
            print(f"  {kind}: {before[kind]} before fit, {counts.built[kind]} in all")
        if arguments.files:
            print("  " + ", ".join(f"{file} {count}" for file, count in counts.files.most_common()))


if __name__ == "__main__":
    main()
