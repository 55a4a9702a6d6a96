"""What happens where the native engine cannot be built or kept."""

import importlib
import os
import shutil
import subprocess
import sys
import tempfile

import pytest
import torch
from native_place import USE, assert_works

from longlag.cells import RNNCell
from longlag.engine import engine_for
from longlag.engine.auto import Auto
from longlag.engine.native.build import NoLibraryError

module = importlib.import_module("longlag.engine.native.build")


@pytest.mark.parametrize("named", ["/proc/nonexistent", "file", "file/under"])
def test_where_nothing_can_be_kept_it_is_built_elsewhere(place, forgotten, monkeypatch, tmp_path, named):
    (tmp_path / "file").write_text("in the way")
    monkeypatch.setenv("LONGLAG_CACHE", named if named.startswith("/") else str(tmp_path / named))
    assert_works()
    assert place.calls == 1
    assert (tmp_path / "file").read_text() == "in the way"
    assert_works()
    assert place.calls == 1
    forgotten()
    assert_works()
    assert place.calls == 2


@pytest.mark.parametrize("how", ["ro", "size=16k", "noexec"])
def test_a_disk_that_is_read_only_full_or_for_data_alone_does_not_matter(place, how):
    """A true one, which takes the right to mount it."""
    if shutil.which("unshare") is None or subprocess.run(["unshare", "-m", "true"], check=False).returncode:
        pytest.skip("no right to mount a file system here")
    place.cache.mkdir()
    mounted = 'mount -t tmpfs -o "mode=755,$1" tmpfs "$LONGLAG_CACHE" && "$2" -c "$3" && ls -A "$LONGLAG_CACHE" | wc -l'
    said = subprocess.run(
        ["unshare", "-m", "sh", "-c", mounted, "sh", how, sys.executable, USE],
        input="go\n",
        capture_output=True,
        text=True,
        check=False,
    )
    kept = "2" if how == "noexec" else "0"  # whole, for who may load it
    assert (said.returncode, said.stderr, said.stdout) == (0, "", f"ready\n{kept}\n")
    assert place.calls == 1


FAILURES = {
    "echo 'In file included from here:\nit.h:1: fatal error: no\nmore' >&2; exit 1": "it.h:1: fatal error: no",
    "echo 'I am broken'; exit 1": "I am broken",
    "exit 1": "it says nothing",
    "kill -9 $$": "it says nothing",
    "exit 0": "it says nothing",
}


@pytest.mark.parametrize(("script", "message"), FAILURES.items())
def test_a_compiler_that_fails_is_asked_once(place, script, message):
    place.compile_by(script)
    for _ in range(3):
        with pytest.raises(
            NoLibraryError, match=f"^{os.environ['CXX']} cannot build the native engine: {message}"
        ) as told:
            engine_for("native", RNNCell(2, 3))
        assert "\n" not in str(told.value)
    auto = Auto()
    for _ in range(3):
        auto.unroll(RNNCell(2, 3), torch.randn(4, 5, 2))
    assert str(auto.used).startswith(f"torch: {os.environ['CXX']} cannot build the native engine: {message}")
    assert place.calls == 1
    assert not place.cache.exists()


def test_a_compiler_that_is_no_program(place):
    place.compile_by("", first="#!/nowhere/sh")
    with pytest.raises(NoLibraryError, match=r"cannot build the native engine: .*No such file"):
        engine_for("native", RNNCell(2, 3))


def test_no_place_for_temporary_files(place, monkeypatch):
    monkeypatch.setattr(tempfile, "tempdir", "/proc/nonexistent")
    with pytest.raises(NoLibraryError, match=r"the native engine cannot be built and loaded: .*No such file"):
        engine_for("native", RNNCell(2, 3))


def test_a_compiler_may_be_named_with_options(place, monkeypatch):
    monkeypatch.setenv("CXX", f"env {os.environ['CXX']} -O0")
    assert_works()
    assert place.calls == 1
