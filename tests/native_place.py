"""A place in which the native engine is built: a cache, a folder for temporary files and a compiler, all of a test."""

import tempfile

import torch

from longlag.cells import RNNCell
from longlag.engine import Native, eager

#: What a process of its own does, to be seen by what it prints and leaves.
USE = (
    "import torch\n"
    "from longlag.cells import RNNCell\n"
    "from longlag.engine import Native, eager\n"
    "cell, x = RNNCell(2, 3), torch.randn(4, 5, 2)\n"
    "print('ready', flush=True)\n"
    "input()\n"
    "torch.testing.assert_close(Native().unroll(cell, x)[0], eager.unroll(cell, x)[0])\n"
)


class Place:
    """A cache and a folder for temporary files, empty at first, and a compiler that notes when it is called.

    Unless it is told what to do, it brings a library that is there already.
    """

    def __init__(self, folder, built, monkeypatch):
        self.cache, self.temporary, self.notes = (folder / name for name in ("cache", "temporary", "notes"))
        self.temporary.mkdir()
        self._folder, self._monkeypatch = folder, monkeypatch
        monkeypatch.setenv("LONGLAG_CACHE", str(self.cache))
        monkeypatch.setenv("TMPDIR", str(self.temporary))
        monkeypatch.setattr(tempfile, "tempdir", None)
        self.compile_by(f'for last; do :; done; cp {built} "$last"')

    def compile_by(self, script, first="#!/bin/sh"):
        made = self._folder / "cxx"
        made.write_text(f"{first}\necho called >> {self.notes}\n{script}\n")
        made.chmod(0o755)
        self._monkeypatch.setenv("CXX", str(made))

    @property
    def calls(self):
        """How often the compiler has been called."""
        return len(self.notes.read_text().splitlines()) if self.notes.exists() else 0

    @property
    def kept(self):
        """The libraries in the cache; beside them are their digests, and nothing else."""
        there = sorted(self.cache.iterdir()) if self.cache.exists() else []
        assert there[::2] == [path.with_suffix(".sha256") for path in there[1::2]]
        return there[1::2]


def assert_works():
    cell, x = RNNCell(2, 3), torch.randn(4, 5, 2)
    torch.testing.assert_close(Native().unroll(cell, x)[0], eager.unroll(cell, x)[0])
