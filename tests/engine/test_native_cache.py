"""How a library of the native engine is kept and found again, and which libraries are not loaded."""

import hashlib
import importlib
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from native_place import USE, assert_works

from longlag.engine import Native
from longlag.engine.native.build import library
from longlag.engine.native.cache import cache_folder

module = importlib.import_module("longlag.engine.native.build")


def test_a_library_is_built_once(place, forgotten):
    for _ in range(3):
        assert_works()
        forgotten()
    assert place.calls == 1
    assert len(place.kept) == 1


def test_every_source_is_one_of_a_program():
    every = {path.name for pattern in ("*.h", "*.cpp") for path in module._HERE.glob(pattern)}
    assert set().union(*module._SOURCES.values()) == every


@pytest.mark.parametrize("program", module._SOURCES)
def test_each_update_type_level_and_source_has_a_library_of_its_own(place, forgotten, monkeypatch, tmp_path, program):
    names = []
    every = module._SOURCES[program]
    for update, dtype, level, source in [
        ("Rnn", torch.float32, "", ""),
        ("Irnn", torch.float32, "", ""),
        ("Rnn", torch.float64, "", ""),
        ("Rnn", torch.float32, "plain", ""),
        *(("Rnn", torch.float32, "", name) for name in every),
    ]:
        forgotten()
        monkeypatch.setenv("LONGLAG_NATIVE", level)
        sources = shutil.copytree(module._HERE, tmp_path / f"sources{len(names)}")
        if source:
            with (sources / source).open("a") as file:
                file.write("// changed\n")
        monkeypatch.setattr(module, "_HERE", sources)
        library(update, dtype, program)
        names.append(set(place.kept))
    same = 1 if Native().level == "plain" else 0
    assert [len(kept) for kept in names] == [1, 2, 3, *(4 - same + k for k in range(1 + len(every)))]


@pytest.mark.parametrize("damage", ["truncated", "other bytes", "no digest", "a digest that is none", "no library"])
def test_what_is_damaged_in_the_cache_is_built_again(place, forgotten, damage):
    assert_works()
    (path,) = place.kept
    digest = path.with_suffix(".sha256")
    whole = path.read_bytes()
    forgotten()
    if damage == "truncated":
        replace(path, whole[: len(whole) // 2])
    elif damage == "other bytes":
        replace(path, bytes(len(whole)))
    elif damage == "a digest that is none":
        replace(digest, b"\xff\xfe")
    else:
        (path if damage == "no library" else digest).unlink()
    assert_works()
    assert place.calls == 2
    assert place.kept == [path]
    assert path.read_bytes() == whole
    forgotten()
    assert_works()
    assert place.calls == 2


def replace(path, content):
    """As another process would: the library that is loaded stays what it is."""
    path.unlink()
    path.write_bytes(content)


def test_a_library_that_another_machine_has_made_is_built_again(place):
    """With the right digest, but not to be loaded here."""
    assert_works()
    (path,) = place.kept
    replace(path, b"\x7fELF of another kind")
    path.with_suffix(".sha256").write_text(hashlib.sha256(path.read_bytes()).hexdigest())
    used = subprocess.run(
        [sys.executable, "-c", USE], input="go\n", capture_output=True, text=True, check=False
    )  # this one has loaded it
    assert (used.returncode, used.stdout, used.stderr) == (0, "ready\n", "")
    assert place.calls == 2


def planted(place, forgotten):
    """Build a library, and return where it is kept; this process will look for it anew."""
    assert_works()
    (path,) = place.kept
    forgotten()
    return path


OTHERS = 12345  # a user who is neither this one nor root
as_root = pytest.mark.skipif(os.geteuid() != 0, reason="root alone can give a file to another user")
PLANTED = {
    "another's library": lambda path: os.chown(path, OTHERS, -1),
    "another's digest": lambda path: os.chown(path.with_suffix(".sha256"), OTHERS, -1),
    "another's folder": lambda path: os.chown(path.parent, OTHERS, -1),
    "a library that a group may change": lambda path: path.chmod(0o775),
    "a digest that all may change": lambda path: path.with_suffix(".sha256").chmod(0o666),
    "a folder that a group may change": lambda path: path.parent.chmod(0o770),
    "a folder that all may change": lambda path: path.parent.chmod(0o1777),
    "a link": lambda path: path.rename(path.with_name("x")) and path.symlink_to("x"),
    "a pipe": lambda path: (path.unlink(), os.mkfifo(path)),
}


@pytest.mark.parametrize("how", [pytest.param(how, marks=as_root if "another" in how else ()) for how in PLANTED])
def test_a_library_that_another_user_may_have_put_there_is_not_loaded(place, forgotten, how):
    """It would end the process: it is built anew, and kept where nobody else can write."""
    path = planted(place, forgotten)
    replace(path, path.read_bytes())
    os.chmod(path, 0o755)  # noqa: PTH101
    PLANTED[how](path)
    assert_works()
    assert place.calls == 2
    forgotten()
    assert_works()
    assert place.calls == 2 + (how == "another's folder" and os.geteuid() != 0)
    own = path.parent / f"user-{os.geteuid()}"
    assert own.exists() == ("folder" in how)
    if own.exists():
        assert own.stat().st_mode & 0o777 == 0o700
        assert (own / path.name).stat().st_uid == os.geteuid()


def test_in_a_shared_cache_each_user_has_a_folder_of_ones_own(place, forgotten):
    """One that another user has made before is not used, and neither is what lies in it."""
    place.cache.mkdir()
    place.cache.chmod(0o1777)
    assert_works()
    own = place.cache / f"user-{os.geteuid()}"
    (library,) = own.glob("*.so")
    assert [path.name for path in place.cache.iterdir()] == [own.name]
    forgotten()
    assert_works()
    assert place.calls == 1
    own.chmod(0o777)
    before = library.read_bytes()
    forgotten()
    assert_works()
    assert place.calls == 2
    assert library.read_bytes() == before


def test_what_the_umask_lets_a_group_write_is_kept_for_this_user(place, forgotten):
    before = os.umask(0o002)
    try:
        path = planted(place, forgotten)
    finally:
        os.umask(before)
    modes = [each.stat().st_mode & 0o777 for each in (path.parent, path, path.with_suffix(".sha256"))]
    assert modes == [0o700, 0o755, 0o644]
    assert_works()
    assert place.calls == 1


def test_many_libraries_of_one_process_are_told_apart(place, forgotten, true_compiler):
    """Each is loaded by the name of an open file."""
    place.compile_by(f'exec {true_compiler} "$@" -O0')
    for _ in range(2):
        first, second = library("Rnn", torch.float32), library("Irnn", torch.float32)
        assert first._handle != second._handle
        forgotten()
    assert place.calls == 2


def test_two_processes_may_build_at_once(true_compiler, place):
    """By the true compiler, of which the one that comes first waits a while for the other."""
    wait = f"for _ in $(seq 300); do [ $(wc -l < {place.notes}) -ge 2 ] && break; sleep 0.05; done"
    place.compile_by(f'{wait}\nexec {true_compiler} "$@" -O0')
    processes = [
        subprocess.Popen(
            [sys.executable, "-c", USE],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        for _ in range(2)
    ]
    for process in processes:
        assert process.stdout.readline() == "ready\n"
    for process in processes:
        process.stdin.write("go\n")
        process.stdin.flush()
    for process in processes:
        said = process.communicate(timeout=120)
        assert (process.returncode, *said) == (0, "", "")
    assert place.calls == 2, "they did not wait for each other"
    assert len(place.kept) == 1


def test_where_libraries_are_kept(monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    for name in ("LONGLAG_CACHE", "XDG_CACHE_HOME"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("HOME", "/home/me")
    assert cache_folder() == Path("/home/me/.cache/longlag")
    monkeypatch.setenv("XDG_CACHE_HOME", "/var/cache")
    assert cache_folder() == Path("/var/cache/longlag")
    monkeypatch.setenv("LONGLAG_CACHE", "here")
    assert cache_folder() == tmp_path / "here"


def test_a_folder_may_be_named_as_seen_from_here(place, monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("LONGLAG_CACHE", ".")
    assert_works()
    assert len(list(tmp_path.glob("native-*.so"))) == 1


def test_a_user_without_a_home_keeps_none(place, forgotten, monkeypatch):
    monkeypatch.delenv("LONGLAG_CACHE")
    monkeypatch.delenv("XDG_CACHE_HOME", raising=False)
    monkeypatch.setattr(Path, "home", lambda: Path("~nobody-of-that-name").expanduser())
    assert cache_folder() is None
    assert_works()
    assert place.calls == 1
