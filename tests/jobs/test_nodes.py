"""Runs on several nodes; tests/cluster has them on a true SLURM of two."""

import threading

import pytest
from offline_wandb import read_offline

from longlag import compose
from longlag.errors import RequestError
from longlag.jobs.nodes import Node, this_node
from longlag.jobs.ranks import join_ranks, train_on_ranks
from longlag.runs import RunFolder, Status
from longlag.training.callbacks.stopping import stop_requests

SECOND = {"SLURM_JOB_NUM_NODES": "2", "SLURM_NODEID": "1", "SLURMD_NODENAME": "node2", "SLURM_JOB_ID": "7"}


@pytest.fixture
def on_second(monkeypatch):
    """On the second node of a job."""
    monkeypatch.delenv("MASTER_ADDR", raising=False)
    for name, value in SECOND.items():
        monkeypatch.setenv(name, value)


def test_a_run_on_one_node_asks_nothing_of_slurm(on_second):
    assert this_node(1) == Node()


def test_which_of_the_nodes_this_is_and_which_start_of_the_job(on_second, monkeypatch):
    assert this_node(2) == Node(rank=1, count=2, address="node2", start="7.0")
    monkeypatch.setenv("SLURM_RESTART_COUNT", "3")
    monkeypatch.setenv("MASTER_ADDR", "10.0.0.1")
    assert this_node(2) == Node(rank=1, count=2, address="10.0.0.1", start="7.3")


def test_elsewhere_than_on_so_many_nodes_it_is_a_wrong_request(on_second, monkeypatch):
    with pytest.raises(RequestError, match="num_nodes=3: this is no job of SLURM on 3 nodes"):
        this_node(3)
    monkeypatch.delenv("SLURM_JOB_NUM_NODES")
    with pytest.raises(RequestError, match="num_nodes=2: this is no job of SLURM on 2 nodes"):
        this_node(2)


def test_the_second_node_hears_of_this_start_and_of_no_other(tmp_path, monkeypatch):
    monkeypatch.setattr("longlag.jobs.nodes._LOOK_S", 0.01)
    folder = RunFolder(tmp_path)
    first, second = (Node(rank, 2, f"node{rank + 1}", "7.1") for rank in (0, 1))
    Node(0, 2, "node9", "7.0").invite(folder, 1)  # left by a start that was cut
    looks = iter([False] * 3 + [True])
    assert second.invited(folder, lambda: next(looks)) is None
    meeting = first.invite(folder, 4321)
    assert meeting == {"MASTER_ADDR": "node1", "MASTER_PORT": "4321"}
    assert second.invited(folder, lambda: False) == meeting
    first.part(folder)
    assert list(tmp_path.iterdir()) == []


def test_a_run_on_one_node_leaves_no_invitation(tmp_path):
    assert Node().invite(RunFolder(tmp_path), 4321) == {"MASTER_ADDR": "127.0.0.1", "MASTER_PORT": "4321"}
    assert list(tmp_path.iterdir()) == []


@pytest.mark.slow
def test_two_nodes_on_the_loopback_interface_make_one_run(tmp_path, tiny):
    """A process each; the second one joins when the first has begun, and only the first one's writes."""
    settings = compose(*tiny, "logger=wandb", "trainer=ddp_cpu", "trainer.devices=1", "+trainer.num_nodes=2")
    folder = RunFolder(tmp_path / "run")
    folder.path.mkdir()
    folder.write_config(settings)
    folder.write_status(Status("running"))
    first, second = (Node(rank, 2, start="now") for rank in (0, 1))
    joining = threading.Thread(target=join_ranks, args=(folder, 1, second, lambda: False))
    joining.start()
    with stop_requests() as request:
        status = train_on_ranks(folder, 1, request, node=first)
    joining.join(timeout=30)
    assert not joining.is_alive()
    assert status.state == "done", folder.log.read_text()
    assert folder.read_summary()["steps"] == 6
    (mirror,) = read_offline(folder.path)
    assert mirror.exit_code == 0
    assert "MEMBER: 2/2" in folder.log.read_text()
