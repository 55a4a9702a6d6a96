import json
import os
import signal
import subprocess
import sys
import time
from dataclasses import asdict, replace

import pytest

from longlag.runs import claim as module
from longlag.runs.claim import Claim, HeldError, Owner, holder_of

#: Wait for a start, claim, say whether it worked, and hold on until the input ends.
CONTENDER = """
import sys, time
from pathlib import Path
from longlag.runs.claim import Claim, HeldError
folder, start = Path(sys.argv[1]), float(sys.argv[2])
print("ready", flush=True)
sys.stdin.readline()
try:
    claim = Claim(folder)
    print("mine", flush=True)
    sys.stdin.read()
    claim.release()
except HeldError as error:
    print(f"held by {error.owner.pid}", flush=True)
"""


def contender(folder):
    process = subprocess.Popen(
        [sys.executable, "-c", CONTENDER, str(folder), "0"], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    assert process.stdout.readline() == "ready\n"
    return process


def go(process):
    process.stdin.write("\n")
    process.stdin.flush()


def end(*processes):
    for process in processes:
        process.stdin.close()
        process.wait()
        process.stdout.close()


def write(folder, owner):
    (folder / "claim.json").write_text(json.dumps(asdict(owner)))


def test_a_claim_holds_until_it_is_released(tmp_path):
    assert holder_of(tmp_path) is None
    with Claim(tmp_path) as claim:
        assert holder_of(tmp_path) == claim.owner
        assert claim.owner.pid == os.getpid()
        with pytest.raises(HeldError, match=f"process {os.getpid()} on "):
            Claim(tmp_path)
    assert holder_of(tmp_path) is None
    Claim(tmp_path).release()


def test_of_many_processes_that_claim_at_once_one_gets_it(tmp_path):
    """Also where a dead owner has left a claim, which all of them find."""
    for round_ in range(3):
        folder = tmp_path / str(round_)
        folder.mkdir()
        if round_:
            write(folder, replace(Owner.me(), pid=2**22 + 1))
        processes = [contender(folder) for _ in range(6)]
        for process in processes:
            go(process)
        said = [process.stdout.readline().strip() for process in processes]
        assert said.count("mine") == 1
        winner = processes[said.index("mine")]
        assert said.count(f"held by {winner.pid}") == 5
        end(*processes)
        assert holder_of(folder) is None


def test_an_owner_that_was_killed_holds_it_no_more(tmp_path):
    process = contender(tmp_path)
    go(process)
    assert process.stdout.readline() == "mine\n"
    assert holder_of(tmp_path).pid == process.pid
    process.send_signal(signal.SIGKILL)
    process.wait()
    assert holder_of(tmp_path) is None
    Claim(tmp_path).release()
    end(process)


def test_another_process_with_the_number_of_a_dead_one_is_not_the_owner(tmp_path):
    write(tmp_path, replace(Owner.me(), born="1"))
    assert holder_of(tmp_path) is None


def test_after_a_restart_of_the_machine_nobody_is_at_it(tmp_path):
    write(tmp_path, replace(Owner.me(), boot="the boot before"))
    assert holder_of(tmp_path) is None


def test_an_owner_on_another_machine_counts_as_long_as_it_renews_its_claim(tmp_path):
    elsewhere = replace(Owner.me(), host="another.machine", boot="", pid=1)
    write(tmp_path, elsewhere)
    with pytest.raises(HeldError, match=r"process 1 on another\.machine"):
        Claim(tmp_path)
    silent = time.time() - 91
    os.utime(tmp_path / "claim.json", (silent, silent))
    assert holder_of(tmp_path) is None
    Claim(tmp_path).release()


def test_a_claim_is_renewed(tmp_path, monkeypatch):
    monkeypatch.setattr(module, "_BEAT_S", 0.05)
    with Claim(tmp_path) as claim:
        old = time.time() - 1000
        os.utime(claim.path, (old, old))
        deadline = time.monotonic() + 10
        while claim.path.stat().st_mtime < old + 500 and time.monotonic() < deadline:
            time.sleep(0.05)
        assert time.time() - claim.path.stat().st_mtime < 60


def test_one_that_was_given_to_somebody_else_is_not_taken_away_from_it(tmp_path):
    """After a long sleep of the machine, say."""
    claim = Claim(tmp_path)
    other = replace(Owner.me(), host="another.machine", boot="", pid=1)
    write(tmp_path, other)
    claim.release()
    assert holder_of(tmp_path) == other


@pytest.mark.parametrize("text", ["", "{", "[]", '{"pid": 1}'])
def test_a_damaged_claim_is_none(tmp_path, text):
    (tmp_path / "claim.json").write_text(text)
    assert holder_of(tmp_path) is None
    Claim(tmp_path).release()


@pytest.mark.skipif(os.geteuid() == 0, reason="root can write everywhere")
def test_a_reader_who_cannot_write_to_the_folder_sees_who_holds_it(tmp_path):
    with Claim(tmp_path) as claim:
        write(tmp_path, replace(claim.owner, host="elsewhere"))
        tmp_path.chmod(0o500)
        try:
            assert holder_of(tmp_path).host == "elsewhere"
        finally:
            tmp_path.chmod(0o700)
