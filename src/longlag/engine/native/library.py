"""The kernel as a library: built by the machine's own compiler when it is first needed, and kept in a cache."""

import ctypes
import functools
import hashlib
import os
import shutil
import subprocess
import tempfile
from pathlib import Path

import torch

_HERE = Path(__file__).parent
_SOURCES = ("lanes.h", "updates.h", "kernel.cpp")
_FLAGS = (
    "-std=c++17",
    "-O3",
    "-ffp-contract=fast",
    "-fno-math-errno",
    "-fno-trapping-math",
    "-shared",
    "-fPIC",
    "-pthread",
)
#: The instructions that are used, name -> the compiler's flags; the best first.
LEVELS = {
    "avx512": ("-mavx512f", "-mavx512dq", "-mfma", "-DVECTOR_BYTES=64"),
    "avx2": ("-mavx2", "-mfma", "-DVECTOR_BYTES=32"),
    "plain": ("-DVECTOR_BYTES=16",),
}
_BITS = {torch.float32: 32, torch.float64: 64}


class NoLibraryError(ValueError):
    """The kernel cannot be built or loaded on this machine."""


@functools.cache
def level() -> str:
    """Return which instructions are used: what ``LONGLAG_NATIVE`` says, or the best that the processor has.

    Raises:
        NoLibraryError: the kernel is switched off, or there are no such instructions.

    """
    best = {"AVX512": "avx512", "AVX2": "avx2"}.get(torch.backends.cpu.get_cpu_capability(), "plain")
    named = os.environ.get("LONGLAG_NATIVE", best)
    if named == "off":
        raise NoLibraryError("LONGLAG_NATIVE=off switches the native engine off")
    levels = list(LEVELS)
    if named not in levels[levels.index(best) :]:
        there = ", ".join(levels[levels.index(best) :])
        raise NoLibraryError(f"LONGLAG_NATIVE must be one of {there}, off on this machine; got {named!r}")
    return named


@functools.cache
def compiler() -> str:
    """Return the path of the C++ compiler: that of ``CXX``, or the first that is there.

    Raises:
        NoLibraryError: there is none.

    """
    named = os.environ.get("CXX")
    for name in [named] if named else ["g++", "clang++", "c++"]:
        if found := shutil.which(name):
            return found
    wanted = f"the compiler that CXX names, {named}," if named else "a C++ compiler (g++ or clang++)"
    raise NoLibraryError(f"the native engine is built by {wanted} and there is none here")


def cache_folder() -> Path:
    """Return where libraries are kept: ``LONGLAG_CACHE``, or ``longlag`` in the user's own folder for caches."""
    if named := os.environ.get("LONGLAG_CACHE"):
        return Path(named)
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "longlag"


@functools.cache
def library(update: str, dtype: torch.dtype) -> ctypes.CDLL:
    """Return the kernel for one pointwise update and type of number; built, in a second or two, if it is not there yet.

    Raises:
        NoLibraryError: it cannot be built or loaded.

    """
    flags = (*_FLAGS, *LEVELS[level()], f"-DREAL_BITS={_BITS[dtype]}", f"-DCELL={update}")
    digest = hashlib.sha256(" ".join(flags).encode())
    for name in _SOURCES:
        digest.update((_HERE / name).read_bytes())
    # A compiler makes other code for another machine, and the folder may be shared by many
    digest.update(os.uname().machine.encode() + os.uname().sysname.encode())
    name = f"native-{digest.hexdigest()[:20]}.so"
    folder = cache_folder()
    if _sound(folder / name):
        return _loaded(folder / name)
    try:
        folder.mkdir(parents=True, exist_ok=True)
        return _loaded(_built(folder / name, flags))
    except PermissionError:
        pass
    except OSError as error:
        if error.errno not in (30, 28):  # read-only file system, no space left
            raise
    with tempfile.TemporaryDirectory(prefix="longlag-") as elsewhere:  # it may go once it is loaded
        return _loaded(_built(Path(elsewhere) / name, flags))


def _built(path: Path, flags: tuple[str, ...]) -> Path:
    """Build a library, whole or not at all, with its digest beside it."""
    with tempfile.TemporaryDirectory(prefix="building-", dir=path.parent) as folder:
        made = Path(folder) / path.name
        command = [compiler(), *flags, str(_HERE / "kernel.cpp"), "-o", str(made)]
        said = subprocess.run(command, capture_output=True, text=True, check=False)
        if said.returncode:
            why = (said.stderr or said.stdout).strip().splitlines() or ["it says nothing"]
            raise NoLibraryError(f"{command[0]} cannot build the native engine: {why[0]}")
        digest = made.with_suffix(".sha256")
        digest.write_text(hashlib.sha256(made.read_bytes()).hexdigest())
        digest.replace(path.with_suffix(".sha256"))
        made.replace(path)
    return path


def _sound(path: Path) -> bool:
    """Return whether a library is there and whole: the half of one would end the process that loads it."""
    try:
        return path.with_suffix(".sha256").read_text() == hashlib.sha256(path.read_bytes()).hexdigest()
    except OSError:
        return False


def _loaded(path: Path) -> ctypes.CDLL:
    try:
        return ctypes.CDLL(str(path))
    except OSError as error:
        raise NoLibraryError(f"the native engine cannot be loaded: {error}") from None
