"""Run folders that hold something else than a run: one line each, nothing lost, and the other runs are shown."""

import json
import os
import shutil

import pytest
from printed import runs, table
from studies import make_study

BOMB = "a: &a [x, x, x, x, x, x, x, x, x]\n" + "".join(
    f"{b}: &{b} [{', '.join([f'*{a}'] * 9)}]\n" for a, b in zip("abcdefghi", "bcdefghij", strict=True)
)
#: What lies at the place of a file: the file, and its content; None is a folder, True a pipe.
DAMAGES = {
    "a folder for a status": ("status.json", None),
    "a list for a status": ("status.json", "[]"),
    "a number for a status": ("status.json", "7"),
    "text for a status": ("status.json", '"running"'),
    "a step that is text": ("status.json", '{"state": "done", "step": "soon"}'),
    "a process that is none": ("status.json", '{"state": "done", "pid": -1}'),
    "a pipe for a status": ("status.json", True),
    "a status deep in itself": ("status.json", "[" * 100_000),
    "a folder for a config": ("config.yaml", None),
    "a list for a config": ("config.yaml", "- 1\n"),
    "a number for a config": ("config.yaml", "7\n"),
    "text for a config": ("config.yaml", "words\n"),
    "a bomb": ("config.yaml", "run: {cell: lstm}\n" + BOMB),
    "a config deep in itself": ("config.yaml", "- " * 100_000),
    "a number without an end": ("config.yaml", f"run: {{T: {'9' * 5000}}}\n"),
    "a part that is none": ("config.yaml", "run: {T: 20}\ntask: 7\n"),
    "a date": ("config.yaml", "run: {}\nseed: 2026-01-01\n"),
    "a config without an end": ("config.yaml", "x: '" + "x" * (5 << 20) + "'\n"),
    "a config that is an object": ("config.yaml", "run: !!python/object/apply:os.system [touch owned]\n"),
}


def damage(folder, name, content):
    path = folder / name
    path.unlink()
    if content is None:
        path.mkdir()
        (path / "mine.txt").write_text("somebody's data")
    elif content is True:
        os.mkfifo(path)
    else:
        path.write_text(content)


def everything(folder):
    return {
        path: path.read_bytes() if path.is_file() else None
        for path in sorted(folder.rglob("*"))
        if path.name != ".claim.lock"
    }


@pytest.fixture
def trained(longlag, tiny, tmp_path):
    longlag("train", *tiny)
    (run,) = runs()
    return run.folder.path


@pytest.mark.parametrize("name", DAMAGES)
def test_the_others_are_shown_and_the_damaged_one_is_named(longlag, tmp_path, name):
    made = make_study(tmp_path / "study", lags=(8,), biases=(1.0,), seeds=range(3), flow=False)
    bad = made[1].path
    damage(bad, *DAMAGES[name])
    for command in (["runs", "study"], ["runs", "study", "--json"], ["publish", "study", "--dry-run"]):
        said = longlag(*command)
        assert said.code == 0
        (line,) = [each for each in said.err.splitlines() if bad.name in each and "left out" not in each]
        assert line.startswith(f"longlag: study/{bad.name} holds no run that can be read: {DAMAGES[name][0]}: ")
    assert len(table(longlag("runs", "study"))) == 2
    for command in (["runs", str(bad)], ["report", str(bad)], ["jacobian", str(bad)], ["train", f"resume={bad}"]):
        said = longlag(*command)
        assert (said.code, said.err.count("\n")) == (2, 1), command
        assert DAMAGES[name][0] in said.err
    assert not (tmp_path / "owned").exists()


def test_the_page_is_made_of_the_others(longlag, tmp_path):
    made = make_study(tmp_path / "study", lags=(8,), biases=(1.0,), seeds=range(4), flow=False)
    for folder, (name, content) in zip(made, list(DAMAGES.values())[9:12], strict=False):
        damage(folder.path, name, content)
    said = longlag("report", "study")
    assert (said.code, said.err.count("\n")) == (0, 3)
    assert made[3].path.name in (tmp_path / "study" / "report.html").read_text()


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("status.json", None),
        ("status.json", "[]"),
        ("status.json", "gone"),
        ("config.yaml", None),
        ("summary.json", None),
        ("metrics.csv", None),
        ("metrics.csv", "my,own,table\n1,2,3\n"),
        ("train.log", None),
        ("claim.json", None),
        ("checkpoints/last.ckpt", "no checkpoint"),
        ("checkpoints/last.ckpt", None),
    ],
)
def test_a_run_that_cannot_be_read_is_not_gone_on_with(longlag, tiny, tmp_path, trained, name, content):
    (trained / name).touch()
    if content == "gone":
        (trained / name).unlink()
    else:
        damage(trained, name, content)
    before = everything(trained)
    for command in ([*tiny], [f"resume={trained}"]):
        said = longlag("train", *command, "trainer.max_steps=8")
        assert (said.code, said.err.count("\n")) == (2, 1), said.err
        assert name.split("/")[0] in said.err or content == "gone"
    assert everything(trained) == before
    assert longlag("train", *tiny, "trainer.max_steps=8", "fresh=true").code == (2 if name == "claim.json" else 0)
    if name != "claim.json":
        aside = trained.with_name(f"{trained.name}~1")
        assert {path.relative_to(aside) for path in everything(aside)} == {
            path.relative_to(trained) for path in before if path.name != "claim.json"
        }


@pytest.mark.parametrize("pid", [10**30, -1, 0, "me", 1.5, None, [1]])
def test_a_claim_of_no_process_holds_nothing(longlag, tiny, trained, pid):
    claim = {"host": os.uname().nodename, "boot": "", "pid": pid, "born": "", "token": ""}
    (trained / "claim.json").write_text(json.dumps(claim))
    assert longlag("runs", "outputs/default").code == 0
    assert longlag("train", *tiny, "trainer.max_steps=8").code == 0


def test_what_is_damaged_beside_a_run_costs_no_traceback(longlag, tiny, tmp_path, trained):
    """Figures, declarations and tables that no run writes: they are left out, or named."""
    (trained / "metrics.json").write_text('{"val/x": {"key": 5, "title": []}, "y": [1], "z": 7}')
    summary = json.loads((trained / "summary.json").read_text())
    (trained / "summary.json").write_text(json.dumps({**summary, "solved_step": [1], "steps": {}, "T": 10**400}))
    (trained / "metrics.csv").write_text(f"step,val/acc\n{10**300},0.5\n")
    shutil.rmtree(trained / "error_flow.csv", ignore_errors=True)
    (trained / "error_flow.csv").unlink()
    os.mkfifo(trained / "error_flow.csv")
    said = longlag("runs", str(trained))
    assert said.code == 0
    said = longlag("report", str(trained))
    assert said.code == 0
    assert [line.partition(": ")[2][len(str(trained)) + 1 :] for line in said.err.splitlines()] == [
        f"metrics.csv is not a table of metrics: {str(10**300)[:30]} is no count",
        "error_flow.csv cannot be read: it is a pipe",
    ]
