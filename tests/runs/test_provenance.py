import os
import subprocess
import sys

import pytest

from longlag.runs.provenance import COMMAND, command_line, commit_of, processor


def git(folder, *arguments):
    who = {"GIT_AUTHOR_NAME": "a", "GIT_AUTHOR_EMAIL": "a@b", "GIT_COMMITTER_NAME": "a", "GIT_COMMITTER_EMAIL": "a@b"}
    done = subprocess.run(
        ["git", "-C", str(folder), *arguments], check=True, capture_output=True, text=True, env={**os.environ, **who}
    )
    return done.stdout.strip()


@pytest.fixture
def repository(tmp_path):
    git(tmp_path, "init", "-q")
    (tmp_path / "mine.py").write_text("x = 1\n")
    git(tmp_path, "add", "mine.py")
    git(tmp_path, "commit", "-q", "-m", "first")
    return tmp_path


@pytest.fixture(autouse=True)
def fresh():
    commit_of.cache_clear()
    yield
    commit_of.cache_clear()


def test_the_commit_of_a_repository_is_clean_until_a_tracked_file_changes(repository):
    (repository / "outputs").mkdir()
    (repository / "outputs" / "untracked").write_text("a run")
    commit = commit_of(repository)
    assert (commit.commit, commit.clean) == (git(repository, "rev-parse", "HEAD"), True)
    commit_of.cache_clear()
    (repository / "mine.py").write_text("x = 2\n")
    assert not commit_of(repository).clean


def test_outside_of_a_repository_or_without_git_there_is_no_commit(tmp_path, repository, monkeypatch):
    inside = tmp_path / "no_repository"
    inside.mkdir()
    monkeypatch.setenv("GIT_CEILING_DIRECTORIES", str(tmp_path))
    assert commit_of(inside) is None
    commit_of.cache_clear()
    monkeypatch.setenv("PATH", str(inside))
    assert commit_of(repository) is None


def test_the_command_line_is_that_of_the_command_that_started_the_process(monkeypatch):
    monkeypatch.delenv(COMMAND, raising=False)
    monkeypatch.setattr(sys, "argv", ["/somewhere/longlag", "train", "cell.x=a b"])
    assert command_line() == "longlag train 'cell.x=a b'"
    monkeypatch.setenv(COMMAND, "longlag train -m seed=0,1")
    assert command_line() == "longlag train -m seed=0,1"


def test_the_processor_has_a_name():
    assert processor()
