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
_SOURCES = ("lanes.h", "updates.h", "problem.h", "products.h", "threads.h", "kernel.cpp")
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
    """Return how the C++ compiler is called: as ``CXX`` says, or by the path of the first that is there.

    Raises:
        NoLibraryError: there is none.

    """
    named = os.environ.get("CXX", "").split()  # as in "ccache g++"
    for name, *options in [named] if named else [["g++"], ["clang++"], ["c++"]]:
        if found := shutil.which(name):
            return found, *options
    wanted = f"the compiler that CXX names, {named[0]}," if named else "a C++ compiler (g++ or clang++)"
    raise NoLibraryError(f"the native engine is built by {wanted} and there is none here")


def cache_folder() -> Path | None:
    """Return where libraries are kept: ``LONGLAG_CACHE``, or ``longlag`` in the user's own folder for caches."""
    if named := os.environ.get("LONGLAG_CACHE"):
        return Path(named).absolute()  # a bare name would be looked for among the system's libraries
    try:
        return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache").absolute() / "longlag"
    except RuntimeError:  # a user who has no home
        return None


def library(update: str, dtype: torch.dtype) -> ctypes.CDLL:
    """Return the kernel for one pointwise update and type of number; built, in a few seconds, if it is not there yet.

    Raises:
        NoLibraryError: it cannot be built or loaded.

    """
    found = _found(update, dtype)
    if isinstance(found, str):
        raise NoLibraryError(found)
    return found


@functools.cache
def _found(update: str, dtype: torch.dtype) -> ctypes.CDLL | str:
    """Return the kernel, or why there is none: a compiler that fails is not asked again at every step of a run."""
    flags = (*_FLAGS, *LEVELS[level()], f"-DREAL_BITS={_BITS[dtype]}", f"-DCELL={update}")
    digest = hashlib.sha256(" ".join(flags).encode())
    for name in _SOURCES:
        digest.update((_HERE / name).read_bytes())
    # A compiler makes other code for another machine, and the folder may be shared by many
    digest.update(os.uname().machine.encode() + os.uname().sysname.encode())
    name, folder = f"native-{digest.hexdigest()[:20]}.so", cache_folder()
    kept = None if folder is None else folder / name
    if kept is not None and _sound(kept) and (loaded := _loaded(kept)) is not None:
        return loaded
    try:
        with tempfile.TemporaryDirectory(prefix="longlag-") as elsewhere:  # it may go once it is loaded
            made = _built(Path(elsewhere) / name, flags)
            if kept is not None and _keep(made, kept) and (loaded := _loaded(kept)) is not None:
                return loaded
            return ctypes.CDLL(str(made))
    except NoLibraryError as error:
        return str(error)
    except OSError as error:
        return f"the native engine cannot be built and loaded: {error}"


def _built(path: Path, flags: tuple[str, ...]) -> Path:
    """Build a library.

    Raises:
        NoLibraryError: the compiler does not do it.

    """
    command = [*compiler(), *flags, str(_HERE / "kernel.cpp"), "-o", str(path)]
    try:
        said = subprocess.run(
            command, stdin=subprocess.DEVNULL, capture_output=True, text=True, errors="replace", check=False
        )
    except OSError as error:
        raise NoLibraryError(f"{command[0]} cannot build the native engine: {error}") from None
    if said.returncode or not path.exists():
        lines = (said.stderr or said.stdout).strip().splitlines() or ["it says nothing"]
        why = next((line for line in lines if "error" in line), lines[0])  # not where a file is included from
        raise NoLibraryError(f"{command[0]} cannot build the native engine: {why}")
    return path


def _keep(made: Path, kept: Path) -> bool:
    """Put a library into the cache, whole or not at all, with its digest beside it; return whether that was done."""
    try:
        kept.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(prefix="building-", dir=kept.parent) as building:
            whole = Path(shutil.copy(made, building))
            digest = whole.with_suffix(".sha256")
            digest.write_text(hashlib.sha256(made.read_bytes()).hexdigest())
            digest.replace(kept.with_suffix(".sha256"))
            whole.replace(kept)
    except OSError:  # it cannot be written to, or it is full
        return False
    return True


def _sound(path: Path) -> bool:
    """Return whether a library is there and whole: the half of one would end the process that loads it."""
    try:
        return path.with_suffix(".sha256").read_text() == hashlib.sha256(path.read_bytes()).hexdigest()
    except (OSError, UnicodeDecodeError):
        return False


def _loaded(path: Path) -> ctypes.CDLL | None:
    """Return a library of the cache, or ``None`` if it is another machine's or nothing may be run from there."""
    try:
        return ctypes.CDLL(str(path))
    except OSError:
        return None


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
