import pytest

from longlag.runs import RunFolder, Status, read_run, read_study


def made(path, state="done", **config):
    path.mkdir(parents=True)
    folder = RunFolder(path)
    folder.write_config({"seed": 0, "run": {}, **config})
    folder.write_status(Status(state))
    folder.write_summary({"test/acc": 0.5})
    return folder


def test_a_run_is_read_back(tmp_path):
    folder = made(tmp_path / "a", state="solved", study="first")
    run = read_run(folder.path)
    assert run.config == {"seed": 0, "run": {}, "study": "first"}
    assert run.status.state == "solved"
    assert run.summary == {"test/acc": 0.5}


@pytest.mark.parametrize("damage", ["", "{", "[]", '{"state": "asleep"}', '{"colour": 1}'])
def test_a_damaged_status_is_no_run(tmp_path, damage):
    folder = made(tmp_path / "a")
    (folder.path / "status.json").write_text(damage)
    assert read_run(folder.path) is None


@pytest.mark.parametrize(
    ("text", "reason"), [("a: [", "cannot be read"), ("- 1", "not a mapping"), (None, "no config.yaml")]
)
def test_a_damaged_config_is_no_run(tmp_path, text, reason):
    folder = made(tmp_path / "a")
    config = folder.path / "config.yaml"
    config.unlink() if text is None else config.write_text(text)
    assert read_run(folder.path) is None
    with pytest.raises(ValueError, match=reason):
        folder.read_config()


@pytest.mark.parametrize("text", ["seed: 0", "run: null", "run: [1]"])
def test_a_config_that_is_not_of_a_run_is_no_run(tmp_path, text):
    folder = made(tmp_path / "a")
    (folder.path / "config.yaml").write_text(text)
    assert read_run(folder.path) is None


def test_a_study_is_its_runs_without_those_set_aside(tmp_path):
    for name in ("b", "a", "c"):
        made(tmp_path / name)
    aside = [RunFolder(tmp_path / "c").set_aside()]
    made(tmp_path / "c")
    aside.append(RunFolder(tmp_path / "c").set_aside())
    assert [path.name for path in aside] == ["c~1", "c~2"]
    (tmp_path / "no run").mkdir()
    assert [run.folder.path.name for run in read_study(tmp_path)] == ["a", "b"]


def test_an_unknown_state_is_refused():
    with pytest.raises(
        ValueError, match="state must be one of running, solved, done, diverged, failed, interrupted, paused"
    ):
        Status("asleep")


def test_runs_come_in_the_order_of_the_numbers_in_their_names(tmp_path):
    in_order = ("T20-b-1-seed0-9f", "T20-b0-seed2-00", "T20-b0-seed10-1e", "T20-b0.5-seed0-a", "T100-b-1-seed0-77")
    names = [f"lstm-xor-{name}" for name in in_order]
    for name in reversed(names):
        folder = RunFolder(tmp_path / name)
        folder.path.mkdir()
        folder.write_config({"run": {}})
        folder.write_status(Status("running"))
    assert [run.folder.path.name for run in read_study(tmp_path)] == names
