import pytest
from studies import make_study

from longlag.report.wandb.upload import upload_of
from longlag.runs import Status, read_run
from longlag.runs.claim import Claim


@pytest.fixture
def folder(tmp_path):
    (made,) = make_study(tmp_path / "study", lags=(20,), biases=(1.0,), seeds=(0,), flow=False)
    return made.path


def part(folder, name, sent=False):
    path = folder / "wandb" / name / "run-abc.wandb"
    path.parent.mkdir(parents=True)
    path.write_bytes(b":W&B")
    if sent:
        path.with_name("run-abc.wandb.synced").touch()
    return path


def test_the_parts_of_a_run_are_found_oldest_first(folder):
    second = part(folder, "offline-run-20260102_000000-abc")
    first = part(folder, "offline-run-20260101_000000-abc")
    found = upload_of(read_run(folder))
    assert (found.files, found.sent, found.obstacle) == ([first, second], 0, "")


def test_what_was_sent_is_not_sent_again(folder):
    part(folder, "offline-run-20260101_000000-abc", sent=True)
    second = part(folder, "offline-run-20260102_000000-abc")
    found = upload_of(read_run(folder))
    assert (found.files, found.sent, found.obstacle) == ([second], 1, "")


def test_a_run_without_wandb_says_so(folder):
    assert upload_of(read_run(folder)).obstacle == "W&B did not record it (logger=csv or none)"
    part(folder, "run-20260101_000000-abc")
    assert upload_of(read_run(folder)).obstacle == "it was recorded online"


def test_a_run_that_is_still_going_is_left_alone(folder):
    part(folder, "offline-run-20260101_000000-abc")
    record = read_run(folder)
    record.folder.write_status(Status("running"))
    with Claim(folder):
        found = upload_of(read_run(folder))
    assert (found.files, found.obstacle) == ([], "it is still running")
    assert len(upload_of(read_run(folder)).files) == 1  # its process has died
