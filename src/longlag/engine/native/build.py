"""Build the kernel as a library by the machine's own compiler, when it is first needed, and keep it in a cache.

A library is code, so :mod:`longlag.engine.native.cache` loads none that another user may have put there or changed.
"""

import ctypes
import functools
import hashlib
import os
import shutil
import subprocess
import tempfile
from pathlib import Path

import torch

from longlag.engine.native.cache import keep, kept_library

_HERE = Path(__file__).parent / "csrc"
_COMMON = ("lanes.h", "updates.h", "problem.h", "threads.h")
#: Program -> its files, the one to compile last: cells over batches of sequences, and on-line learning.
_SOURCES = {
    "kernel": (*_COMMON, "products.h", "weights.h", "kernel.cpp"),
    "online": (
        *_COMMON,
        "online_problem.h",
        "online_products.h",
        "online_data.h",
        "online_outputs.h",
        "online_net.h",
        "online_back.h",
        "online_traces.h",
        "online.cpp",
    ),
}
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
#: Level of processor instructions -> the compiler's flags; the best level first.
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
    """Return the level of processor instructions: that of ``LONGLAG_NATIVE``, or the best that the processor has.

    Raises:
        NoLibraryError: ``LONGLAG_NATIVE`` switches the kernel off, or names a level that the processor has not.

    """
    best = {"AVX512": "avx512", "AVX2": "avx2"}.get(torch.backends.cpu.get_cpu_capability(), "plain")
    named = os.environ.get("LONGLAG_NATIVE") or best
    if named == "off":
        raise NoLibraryError("LONGLAG_NATIVE=off switches the native engine off")
    levels = list(LEVELS)
    if named not in levels[levels.index(best) :]:
        there = ", ".join(levels[levels.index(best) :])
        raise NoLibraryError(f"LONGLAG_NATIVE must be one of {there}, off on this machine; got {named!r}")
    return named


@functools.cache
def compiler() -> tuple[str, ...]:
    """Return the command of the C++ compiler: that of ``CXX``, or the path of the first one that is installed.

    Raises:
        NoLibraryError: there is none.

    """
    named = os.environ.get("CXX", "").split()  # as in "ccache g++"
    for name, *options in [named] if named else [["g++"], ["clang++"], ["c++"]]:
        if path := shutil.which(name):
            return path, *options
    wanted = f"the compiler that CXX names, {named[0]}," if named else "a C++ compiler (g++ or clang++)"
    raise NoLibraryError(f"the native engine is built by {wanted} and there is none here")


def library(update: str, dtype: torch.dtype, program: str = "kernel") -> ctypes.CDLL:
    """Return the kernel for one pointwise update and type of number; build it, in a few seconds, if it is not there.

    Args:
        update: the name of the pointwise update.
        dtype: the type of the numbers.
        program: ``kernel``, which runs cells over batches, or ``online``, which trains them on-line.

    Raises:
        NoLibraryError: it cannot be built or loaded.

    """
    kernel = _kernel(update, dtype, program)
    if isinstance(kernel, str):
        raise NoLibraryError(kernel)
    return kernel


@functools.cache
def _kernel(update: str, dtype: torch.dtype, program: str) -> ctypes.CDLL | str:
    """Return the kernel, or why there is none: both are remembered, so that a compiler that fails runs once."""
    flags = (*_FLAGS, *LEVELS[level()], f"-DREAL_BITS={_BITS[dtype]}", f"-DCELL={update}")
    digest = hashlib.sha256(" ".join(flags).encode())
    for name in _SOURCES[program]:
        digest.update((_HERE / name).read_bytes())
    # Several kinds of machines may share the folder
    digest.update(os.uname().machine.encode() + os.uname().sysname.encode())
    name = f"native-{digest.hexdigest()[:20]}.so"
    if (loaded := kept_library(name)) is not None:
        return loaded
    try:
        with tempfile.TemporaryDirectory(prefix="longlag-") as elsewhere:  # a loaded library needs no file
            made = _built(Path(elsewhere) / name, flags, program)
            if keep(made) and (loaded := kept_library(name)) is not None:
                return loaded
            return ctypes.CDLL(str(made))
    except NoLibraryError as error:
        return str(error)
    except OSError as error:
        return f"the native engine cannot be built and loaded: {error}"


def _built(path: Path, flags: tuple[str, ...], program: str = "kernel") -> Path:
    """Build the library of a program.

    Raises:
        NoLibraryError: the compiler fails.

    """
    command = [*compiler(), *flags, str(_HERE / _SOURCES[program][-1]), "-o", str(path)]
    try:
        result = subprocess.run(
            command, stdin=subprocess.DEVNULL, capture_output=True, text=True, errors="replace", check=False
        )
    except OSError as error:
        raise NoLibraryError(f"{command[0]} cannot build the native engine: {error}") from None
    if result.returncode or not path.exists():
        lines = (result.stderr or result.stdout).strip().splitlines() or ["it says nothing"]
        why = next((line for line in lines if "error" in line), lines[0])  # the first lines may tell of includes
        raise NoLibraryError(f"{command[0]} cannot build the native engine: {why}")
    return path


@functools.cache
def team() -> int | None:
    """Return the address of ``GOMP_parallel`` in PyTorch's own OpenMP, ``None`` if it has another or none."""
    home = Path(torch.__file__).parent
    for path in sorted([*home.glob("lib/libgomp*.so*"), *home.parent.glob("torch.libs/libgomp*.so*")]):
        try:
            return ctypes.cast(ctypes.CDLL(str(path)).GOMP_parallel, ctypes.c_void_p).value
        except (OSError, AttributeError):
            continue
    return None
