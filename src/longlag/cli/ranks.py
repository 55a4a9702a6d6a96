"""A run on several devices: a process a rank, all started from the run's own settings.

``python -m longlag.cli.ranks FOLDER`` is one rank. Lightning's own launcher would type the command line again for
every rank, and so replay a whole grid; a rank that is started from ``config.yaml`` knows one run and one folder, and
Lightning takes it as started from outside.
"""

import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

from rich.console import Console

from longlag.cli import processes
from longlag.cli.assemble import assemble
from longlag.cli.beacon import Beacon
from longlag.cli.nodes import Node
from longlag.runs import RunFolder, Status
from longlag.runs.status import State, now
from longlag.training.run import RunPlan, train_run
from longlag.training.stopping import StopRequest, stop_requests

_TELL = "LONGLAG_TELL"  # the descriptor to which the first rank says where the run is
_GRACE_S = 30.0  # how long the other ranks may take to end after one has failed or the run was interrupted


def train_on_ranks(
    folder: RunFolder, ranks: int, request: StopRequest, tell: int | None = None, node: Node | None = None
) -> Status:
    """Train the run whose settings lie in ``folder``, in ``ranks`` processes on this machine.

    Args:
        folder: the run.
        ranks: how many processes.
        request: to stop, which is passed on to them.
        tell: the descriptor to which they say where they are, instead of drawing a bar.
        node: this machine, if there are other ones with as many processes: the first of them.

    Returns:
        The status in which the run ended.

    """
    node = node or Node()
    codes = _on_this_node(folder, ranks, request, node, node.invite(folder, _free_port(node)), tell)
    node.part(folder)
    status = folder.read_status()
    assert status is not None, "the ranks found a status to go on from"
    if status.state == "running":
        reason = f"the ranks ended with the exit codes {', '.join(map(str, codes))}; see {folder.log}"
        state: State = "failed" if request.by is None else "interrupted"
        status = replace(status, state=state, reason=reason, ended=now())
        folder.write_status(status)
    return status


def join_ranks(folder: RunFolder, ranks: int, node: Node, in_vain: Callable[[], bool]) -> None:
    """Be a node of a run that another one leads: start ranks here, when it has said where they meet.

    Args:
        folder: the run.
        ranks: how many processes on each node.
        node: this one.
        in_vain: says whether the first node has ended.

    """
    with stop_requests() as request:
        meeting = node.invited(folder, lambda: in_vain() or request.by is not None)
        if meeting is not None:
            _on_this_node(folder, ranks, request, node, meeting)


def main(arguments: Sequence[str]) -> int:
    """Be one rank of the run in a folder."""
    folder = RunFolder(Path(arguments[0]))
    plan = assemble(folder.read_config(), folder, Console(stderr=True))
    if _TELL in os.environ:
        plan = told_to(plan, int(os.environ[_TELL]))
    status = train_run(plan)
    return 0 if status.finished else 1


def told_to(plan: RunPlan, descriptor: int) -> RunPlan:
    """Return a plan whose run says where it is to a descriptor, and draws no bar."""
    return replace(plan, console=Console(quiet=True), callbacks=[*plan.callbacks, Beacon(descriptor)])


def _on_this_node(
    folder: RunFolder, ranks: int, request: StopRequest, node: Node, meeting: dict[str, str], tell: int | None = None
) -> list[int]:
    """Start the ranks of a node, wait until all have ended, and return their exit codes."""
    command = processes.command("longlag.cli.ranks", str(folder.path))
    told = {} if tell is None else {_TELL: str(tell)}
    every = {**processes.environment(), **meeting, **told, "WORLD_SIZE": str(node.count * ranks)}
    # in a process group of their own, so that a Ctrl-C in the terminal reaches them once, through us
    started = [
        subprocess.Popen(
            command,
            env={**every, "NODE_RANK": str(node.rank), "LOCAL_RANK": str(k), "RANK": str(node.rank * ranks + k)},
            process_group=0,
            pass_fds=() if tell is None else (tell,),
        )
        for k in range(ranks)
    ]
    try:
        return _wait_for_all(started, request)
    except KeyboardInterrupt:  # the second one
        for process in started:
            process.kill()
        return _end(started)


def _wait_for_all(processes: Sequence[subprocess.Popen[bytes]], request: StopRequest) -> list[int]:
    """Wait; when one has failed, give the others a while and then end them: they may wait for it for ever.

    So too when this process is asked to stop: they are asked, and given a while.
    """
    while any(process.poll() is None for process in processes):
        if request.by is not None:
            for process in processes:
                process.send_signal(signal.SIGINT)
            return _end(processes)
        if any(process.returncode for process in processes):
            return _end(processes)
        time.sleep(0.05)
    return [process.returncode for process in processes]


def _end(processes: Sequence[subprocess.Popen[bytes]]) -> list[int]:
    deadline = time.monotonic() + _GRACE_S
    while any(process.poll() is None for process in processes) and time.monotonic() < deadline:
        time.sleep(0.05)
    for process in processes:
        if process.poll() is None:
            process.send_signal(signal.SIGKILL)
    return [process.wait() for process in processes]


def _free_port(node: Node) -> int:
    with socket.socket() as probe:
        probe.bind(("" if node.count > 1 else node.address, 0))
        port: int = probe.getsockname()[1]
        return port


if __name__ == "__main__":
    processes.begin()
    sys.exit(main(sys.argv[1:]))
