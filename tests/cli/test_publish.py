import json
import os
import shutil
import socket
import subprocess
import sys
import time

import pytest
from conftest import TINY
from offline_wandb import merged, read_offline
from processes import edited
from studies import make_run
from wandb_server import serving

from longlag import compose
from longlag.report.wandb.workspace import SOLVE_RATES, identifier
from longlag.runs import read_study

KEY = "0123456789" * 4


@pytest.fixture(autouse=True)
def _no_account(monkeypatch, tmp_path):
    """No key, no settings of this machine: as on a computer that has never heard of W&B."""
    for name in [name for name in os.environ if name.startswith("WANDB_")]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("HOME", str(tmp_path))


@pytest.fixture(scope="module")
def recorded(tmp_path_factory):
    """Return a study of two runs that W&B has recorded offline, one of them in two parts, and one that it has not."""
    folder = tmp_path_factory.mktemp("outputs")
    longlag = [sys.executable, "-m", "longlag", "train"]
    grid = [*TINY, "logger=wandb", f"output_dir={folder}", "study=first", "-m", "seed=0,1"]
    subprocess.run([*longlag, *edited(grid)], cwd=folder, capture_output=True, timeout=120, check=True)
    (resumed,) = (folder / "first").glob("*seed1-*")
    further = [f"resume={resumed}", "trainer.max_steps=10"]
    subprocess.run([*longlag, *further], cwd=folder, capture_output=True, timeout=120, check=True)
    make_run(folder / "first" / "seed2", compose("logger=csv", "seed=2", "study=first"), flow=False)
    return folder / "first"


@pytest.fixture
def study(recorded, tmp_path):
    return shutil.copytree(recorded, tmp_path / "outputs" / "first", symlinks=True)


def publish(*arguments, **environment):
    command = [sys.executable, "-m", "longlag", "publish", *map(str, arguments)]
    return subprocess.run(
        command, env=os.environ | environment, capture_output=True, text=True, timeout=180, cwd=os.environ["HOME"]
    )


def test_what_would_be_sent_is_written_and_nothing_is_sent(longlag, study):
    said = longlag("publish", str(study), "--dry-run", "--entity", "our-team")
    assert said.code == 0
    assert "first: 2 runs to send, in 3 files" in said.out
    assert "0 were sent before" in said.out
    (left_out,) = said.err.splitlines()
    assert left_out.startswith("longlag: ")
    assert "seed2" in left_out
    assert left_out.endswith(" is left out: W&B did not record it (logger=csv or none)")

    listed = {item["run"]: item["files"] for item in json.loads((study / "uploads.json").read_text())}
    for seed, parts in ((0, 1), (1, 2)):
        (run,) = study.glob(f"*seed{seed}-*")
        files = [str(file.relative_to(study)) for file in run.glob("wandb/offline-run-*/*.wandb")]
        assert listed.pop(run.name) == sorted(files)
        assert len(files) == parts
    assert not listed
    workspace = json.loads((study / "workspace.json").read_text())
    assert (workspace["entity"], workspace["project"]) == ("our-team", "longlag")
    assert not list(study.glob("*/wandb/*/*.synced"))


def test_writing_twice_gives_the_same(longlag, study):
    written = []
    for _ in range(2):
        assert longlag("publish", str(study), "--dry-run").code == 0
        written.append([(study / name).read_bytes() for name in ("workspace.json", "uploads.json")])
    assert written[0] == written[1]


def test_the_two_files_are_no_run_and_no_trouble(longlag, study):
    longlag("publish", str(study), "--dry-run")
    warned = []
    assert len(read_study(study, warned.append)) == 3
    assert warned == []


def test_the_project_of_the_settings_is_taken_where_none_is_named(longlag, tmp_path):
    settings = compose("logger=wandb", "logger.project=lags", "logger.entity=us", "study=first")
    make_run(tmp_path / "first" / "run", settings, flow=False)
    longlag("publish", str(tmp_path / "first"), "--dry-run")
    workspace = json.loads((tmp_path / "first" / "workspace.json").read_text())
    assert (workspace["entity"], workspace["project"]) == ("us", "lags")
    longlag("publish", str(tmp_path / "first"), "--dry-run", "--project", "other")
    assert json.loads((tmp_path / "first" / "workspace.json").read_text())["project"] == "other"


@pytest.mark.parametrize(
    ("folder", "message"),
    [
        ("nowhere", "nowhere is no folder"),
        ("empty", "no run in empty"),
        ("first/run", "first/run is a single run; longlag publish takes its study, first"),
    ],
)
def test_a_wrong_request_is_one_line(longlag, tmp_path, folder, message):
    (tmp_path / "empty").mkdir()
    make_run(tmp_path / "first" / "run", compose("logger=csv"), flow=False)
    said = longlag("publish", folder, "--dry-run")
    assert (said.code, said.out, said.err) == (2, "", f"longlag: {message}\n")


def test_without_a_key_it_says_so_and_sends_nothing(study):
    with serving() as server:
        done = publish(study, WANDB_BASE_URL=server.url)
        assert server.requests == []
    assert done.returncode == 1
    assert done.stderr.splitlines()[-1] == ("longlag: nothing is sent: there is no W&B API key; wandb login stores one")
    assert (study / "workspace.json").exists()


def test_a_key_that_is_none_is_named(study):
    done = publish(study, WANDB_BASE_URL="http://127.0.0.1:9", WANDB_API_KEY="short")
    assert done.returncode == 1
    assert done.stderr.splitlines()[-1].startswith("longlag: nothing is sent: W&B does not take the API key: ")


def test_without_a_connection_it_says_so_at_once(study):
    with socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))  # bound and not listening: nobody else gets the port, and nobody answers
        url = f"http://127.0.0.1:{closed.getsockname()[1]}"
        start = time.monotonic()
        done = publish(study, WANDB_BASE_URL=url, WANDB_API_KEY=KEY)
        taken = time.monotonic() - start
    assert done.returncode == 1
    assert done.stderr.splitlines()[-1] == f"longlag: nothing is sent: no connection to {url}: Connection refused"
    assert "Traceback" not in done.stderr
    assert taken < 30
    assert (study / "workspace.json").exists()
    assert len(json.loads((study / "uploads.json").read_text())) == 2


@pytest.mark.slow
def test_a_server_that_never_answers_is_given_up(study):
    with socket.create_server(("127.0.0.1", 0)) as silent:
        url = f"http://127.0.0.1:{silent.getsockname()[1]}"
        start = time.monotonic()
        done = publish(study, WANDB_BASE_URL=url, WANDB_API_KEY=KEY)
        taken = time.monotonic() - start
    assert done.returncode == 1
    assert done.stderr.splitlines()[-1] == f"longlag: nothing is sent: no connection to {url}: timed out"
    assert taken < 40


def test_a_server_that_fails_is_not_asked_for_ever(study):
    with serving() as server:
        server.status = 500
        start = time.monotonic()
        done = publish(study, WANDB_BASE_URL=server.url, WANDB_API_KEY=KEY)
        taken = time.monotonic() - start
        assert len(server.requests) < 20
    assert done.returncode == 1
    assert "longlag: first: W&B refused the study: " in done.stderr
    assert "Traceback" not in done.stderr
    assert taken < 60
    assert not list(study.glob("*/wandb/*/*.synced"))


def test_all_of_it_arrives_and_a_second_time_only_what_is_new(study):
    runs = {run.config["seed"]: run for run in read_study(study)}
    with serving() as server:
        done = publish(study, WANDB_BASE_URL=server.url, WANDB_API_KEY=KEY)
        assert done.returncode == 0, done.stderr
        assert f"first: {server.url}/somebody/longlag?nw=" in done.stdout

        ids = {seed: (runs[seed].folder.path / "wandb" / "run-id").read_text() for seed in (0, 1)}
        whole = identifier("first", "study")
        assert server.runs.keys() == {*ids.values(), whole}
        for seed, name in ids.items():
            sent, offline = server.runs[name], merged(read_offline(runs[seed].folder.path))
            assert (sent["project"], sent["entity"], sent["groupName"]) == ("longlag", "somebody", "first")
            assert (sent["jobType"], sent["displayName"]) == ("train", offline.name)
            config = {key: entry["value"] for key, entry in json.loads(sent["config"]).items()}
            assert (config["task"]["T"], config["cell"]["forget_bias"], config["seed"]) == (8, 1, seed)
            assert_arrived(server.history[name], offline.history)
            summary = server.summary[name]
            assert summary["val/acc"]["max"] == runs[seed].summary["val/acc_max"]
            for figure, value in runs[seed].summary.items():  # W&B has no figure where ours is null
                entry = summary.get(figure)  # of a metric that has a best value, W&B keeps this beside the last
                assert (entry["last"] if isinstance(entry, dict) else entry) == value, figure
            pictures = {path for path in server.files[name] if path.startswith("media/")}
            assert pictures == set(offline.media)
            assert all(server.files[name][path] == offline.media[path] for path in pictures)

        assert (server.runs[whole]["groupName"], server.runs[whole]["jobType"]) == ("first", "report")
        (picture,) = (data for path, data in server.files[whole].items() if SOLVE_RATES in path)
        assert picture.startswith(b"\x89PNG")
        (view,) = server.views
        written = json.loads((study / "workspace.json").read_text())
        assert json.loads(view["spec"]) == written["spec"]
        assert (view["name"], view["displayName"]) == (written["name"], "longlag first")
        assert (view["entityName"], view["projectName"], view.get("id")) == ("somebody", "longlag", None)

        rows = {name: len(server.history[name]) for name in ids.values()}
        again = publish(study, WANDB_BASE_URL=server.url, WANDB_API_KEY=KEY)
        assert again.returncode == 0, again.stderr
        assert "first: 0 runs to send, in 0 files" in again.stdout
        assert "2 were sent before" in again.stdout
        assert {name: len(server.history[name]) for name in ids.values()} == rows
        assert [view.get("id") for view in server.views] == [None, "V"]  # the one that was there, changed
        assert server.views[0]["spec"] == server.views[1]["spec"]


def test_a_damaged_offline_file_is_named_and_the_others_arrive(study):
    (damaged,) = study.glob("*seed0-*/wandb/offline-run-*/*.wandb")
    damaged.write_bytes(b"not W&B")
    with serving() as server:
        done = publish(study, WANDB_BASE_URL=server.url, WANDB_API_KEY=KEY)
        names = {run.get("displayName") for run in server.runs.values()}
    assert done.returncode == 1
    assert f"longlag: W&B did not receive {damaged}" in done.stderr
    assert "lstm delayed_xor T=8 b=1 seed=1" in names


def test_a_file_that_was_cut_off_is_sent_once_as_far_as_it_goes(study):
    (cut,) = study.glob("*seed0-*/wandb/offline-run-*/*.wandb")
    cut.write_bytes(cut.read_bytes()[:-20])  # within the last record, as when the process is killed
    name = (cut.parent.parent / "run-id").read_text()
    with serving() as server:
        done = publish(study, WANDB_BASE_URL=server.url, WANDB_API_KEY=KEY)
        assert done.returncode == 0, done.stderr
        assert (
            f"longlag: {cut} ends in the middle of a record, as after the kill of a run; W&B has the rest"
            in done.stderr
        )
        steps = [row["_step"] for row in server.history[name]]
        assert steps == [0, 2, 4, 6]
        again = publish(study, WANDB_BASE_URL=server.url, WANDB_API_KEY=KEY)
        assert again.returncode == 0, again.stderr
        assert [row["_step"] for row in server.history[name]] == steps


def assert_arrived(sent, offline):
    """Check that the rows that were sent, steps that were taken twice merged, are those of the offline files."""
    rows: dict = {}
    for row in sent:
        rows.setdefault(row["_step"], {}).update(row)
    assert list(rows) == [row["_step"] for row in offline]
    for row in offline:
        for name, value in row.items():
            if "." not in name and not name.startswith("_"):
                assert rows[row["_step"]][name] == value, name
