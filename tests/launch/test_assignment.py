"""What a process of a cluster does with a job or a population, without a cluster."""

import io
import json
import pickle
import sys
from dataclasses import asdict, replace

import pytest
from fated import SOURCE, TASK
from rich.console import Console

from longlag.errors import RequestError
from longlag.jobs.job import Job
from longlag.launch.assignment import Assignment
from longlag.launch.queued_job import QueuedJob
from longlag.runs import RunFolder
from longlag.runs.claim import Owner
from longlag.settings.compose import settings_of

SETTINGS = ("task.T=8", "cell.hidden_size=4", "trainer.max_steps=6", "trainer.val_check_interval=2", "logger=csv")


@pytest.fixture
def fates(tmp_path, monkeypatch):
    """The reader's task, importable here."""
    (tmp_path / "fates.py").write_text(SOURCE)
    monkeypatch.syspath_prepend(str(tmp_path))
    yield TASK
    sys.modules.pop("fates", None)


def assigned(folder, *overrides, seeds=(0, 1, 2), **options):
    """A population of runs with these seeds; their numbers in the batch begin with 10."""
    jobs = [
        QueuedJob(
            10 + seed,
            Job(settings_of([*SETTINGS, *overrides, f"seed={seed}"]), RunFolder(folder / str(seed))),
            f"seed {seed}", f"[{seed + 1}/3] ", 1, {}, "a kind", **options,
        )
        for seed in seeds
    ]  # fmt: skip
    return Assignment(tuple(jobs), at_once=2)


def run(assignment):
    """Run it as a process does to which it was sent; return the states and what was printed."""
    output, states = io.StringIO(), {}
    pickle.loads(pickle.dumps(assignment)).run(Console(file=output, width=200), states)
    return states, output.getvalue()


def test_a_population_returns_the_state_of_each_member(tmp_path):
    states, said = run(assigned(tmp_path))
    assert states == {10: "done", 11: "done", 12: "done"}
    assert [line[:5] for line in sorted(said.splitlines())] == ["[1/3]", "[2/3]", "[3/3]"]
    states, said = run(assigned(tmp_path).resumed())
    assert states == {10: "done", 11: "done", 12: "done"}
    assert said.count("ran already") == 3


def test_what_goes_on_after_a_cut_sets_aside_only_what_it_had_not_begun(tmp_path):
    before = assigned(tmp_path, seeds=(0, 1))
    run(before)
    queued = tuple(
        replace(one, job=replace(one.job, fresh=True), since="9999") if one.number == 11 else
        replace(one, job=replace(one.job, fresh=True)) for one in before.jobs
    )  # fmt: skip
    states, said = run(Assignment(queued, at_once=2).resumed())
    assert states == {10: "done", 11: "done"}
    assert said.count("ran already") == 1
    assert said.count("[2/3] lstm delayed_xor T=8 b=1 seed=1: the run before is now ") == 1


def test_a_job_alone_returns_its_own(tmp_path):
    assignment = assigned(tmp_path, seeds=(0,))
    assert assignment.alone
    assert assignment.title == "seed 0"
    states, said = run(assignment)
    assert states == {10: "done"}
    assert said.startswith("[1/3] lstm delayed_xor T=8 b=1 seed=0: not solved in 6 steps")


def test_what_befalls_one_member_costs_it_alone(tmp_path, fates):
    held = tmp_path / "0"
    held.mkdir()
    (held / "claim.json").write_text(json.dumps(asdict(replace(Owner.me(), host="another.machine", boot="", pid=1))))
    states, said = run(assigned(tmp_path, *fates, "task.fails=1"))
    assert states == {10: "refused", 11: "failed", 12: "done"}
    assert f"[1/3] longlag: {held} is being run by process 1 on another.machine\n" in said


def test_an_exception_outside_of_a_run_costs_that_member(tmp_path, monkeypatch):
    real = Job.next_action

    def broken(job):
        if job.folder.path.name == "1":
            raise RuntimeError("the disk is gone")
        return real(job)

    monkeypatch.setattr(Job, "next_action", broken)
    assignment, output, states = assigned(tmp_path), io.StringIO(), {}
    assignment.run(Console(file=output, width=200), states)
    assert states == {10: "done", 11: "failed", 12: "done"}
    assert "[2/3] seed 1: failed: RuntimeError: the disk is gone\n" in output.getvalue()


def test_an_exception_of_the_training_itself_costs_all_that_have_not_ended(tmp_path, monkeypatch):
    def broken(arriving, at_once, request, ended, progress):
        next(arriving)
        raise ArithmeticError("a fault of ours")

    monkeypatch.setattr("longlag.jobs.population.train_population", broken)
    states, said = run(assigned(tmp_path))
    assert states == {10: "failed", 11: "failed", 12: "failed"}
    assert said.count("failed: ArithmeticError: a fault of ours") == 3
    assert not list(tmp_path.glob("*/claim.json"))


def test_a_signal_leaves_the_members_that_wait_untouched(tmp_path, monkeypatch):
    import signal

    from longlag.training.population.train import train_population

    def interrupted(arriving, at_once, request, ended, progress):
        request.by = signal.SIGTERM if (tmp_path / "0").exists() else None
        train_population(asked(arriving, request), at_once, request, ended, progress)

    def asked(arriving, request):
        for parts in arriving:
            request.by = signal.SIGTERM
            yield parts

    monkeypatch.setattr("longlag.jobs.population.train_population", interrupted)
    states = {}
    with pytest.raises(KeyboardInterrupt):
        assigned(tmp_path).run(Console(quiet=True), states)
    assert states == {10: "interrupted"}
    assert [path.name for path in tmp_path.iterdir()] == ["0"]


def test_fail_fast_stops_the_others_without_an_interrupt(tmp_path, fates):
    states, _ = run(assigned(tmp_path, *fates, "task.fails=0", fail_fast=True))
    assert states[10] == "failed"
    assert 12 not in states


def test_a_wrong_request_of_a_job_alone_is_its_state(tmp_path, monkeypatch):
    def refuse(*_, **__):
        raise RequestError("no")

    monkeypatch.setattr("longlag.launch.queued_job.run_alone", refuse)
    assert run(assigned(tmp_path, seeds=(1,))) == ({11: "refused"}, "[2/3] longlag: no\n")
