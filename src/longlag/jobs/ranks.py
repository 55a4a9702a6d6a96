"""A run on several devices: one process a rank, all started from the run's ``config.yaml``.

``python -m longlag.jobs.ranks FOLDER`` is one rank. Lightning's launcher would run the command line again for
every rank, and so replay a whole grid. A rank that starts from ``config.yaml`` knows one run and one folder, and
Lightning takes it for started from outside.
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

from longlag.jobs import child_process
from longlag.jobs.nodes import Node
from longlag.jobs.progress_events import ProgressSender
from longlag.runs import RunFolder, Status
from longlag.runs.status import State, now
from longlag.settings.plan import plan_of
from longlag.training.callbacks.stopping import StopRequest, stop_requests
from longlag.training.run import train_run
from longlag.training.run_plan import RunPlan

_TELL = "LONGLAG_TELL"  # the descriptor for the progress messages of the first rank
_GRACE_S = 30.0  # the most time for the other ranks to end after a failure or an interrupt


def train_on_ranks(
    folder: RunFolder, ranks: int, request: StopRequest, tell: int | None = None, node: Node | None = None
) -> Status:
    """Train the run whose settings lie in ``folder``, in ``ranks`` processes on this machine.

    Args:
        folder: the run.
        ranks: the number of processes.
        request: to stop, passed on to the ranks.
        tell: the descriptor for progress messages, instead of a bar.
        node: this machine, the first of several with the same number of processes.

    Returns:
        The status of the run at its end.

    """
    node = node or Node()
    codes = _on_this_node(folder, ranks, request, node, node.invite(folder, _free_port(node)), tell)
    node.part(folder)
    status = folder.read_status()
    assert status is not None, "the status was written before the ranks started"
    if status.state == "running":
        reason = f"the ranks ended with the exit codes {', '.join(map(str, codes))}; see {folder.log}"
        state: State = "failed" if request.by is None else "interrupted"
        status = replace(status, state=state, reason=reason, ended=now())
        folder.write_status(status)
    return status


def join_ranks(folder: RunFolder, ranks: int, node: Node, in_vain: Callable[[], bool]) -> None:
    """Start the ranks of a node that another node leads, as soon as the meeting place is known.

    Args:
        folder: the run.
        ranks: the number of processes on each node.
        node: this node.
        in_vain: returns whether the first node has ended.

    """
    with stop_requests() as request:
        meeting = node.invited(folder, lambda: in_vain() or request.by is not None)
        if meeting is not None:
            _on_this_node(folder, ranks, request, node, meeting)


def main(arguments: Sequence[str]) -> int:
    """Run one rank of the run in a folder."""
    folder = RunFolder(Path(arguments[0]))
    plan = plan_of(folder.read_config(), folder, Console(stderr=True))
    if _TELL in os.environ:
        plan = telling(plan, int(os.environ[_TELL]))
    status = train_run(plan)
    return 0 if status.finished or status.state == "paused" else 1


def telling(plan: RunPlan, descriptor: int, member: int = 0) -> RunPlan:
    """Return a plan whose run sends its progress to a descriptor, and draws no bar.

    Args:
        plan: of the run.
        descriptor: of the pipe.
        member: the number of the run among those of its process.

    """
    sender = ProgressSender(descriptor, member)
    return replace(plan, console=Console(quiet=True), callbacks=[*plan.callbacks, sender])


def _on_this_node(
    folder: RunFolder, ranks: int, request: StopRequest, node: Node, meeting: dict[str, str], tell: int | None = None
) -> list[int]:
    """Start the ranks of a node, wait until all have ended, and return their exit codes."""
    command = child_process.command("longlag.jobs.ranks", str(folder.path))
    progress = {} if tell is None else {_TELL: str(tell)}
    every = {**child_process.environment(), **meeting, **progress, "WORLD_SIZE": str(node.count * ranks)}
    # in process groups of their own, so that a Ctrl-C in the terminal reaches them once, through us
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
    except KeyboardInterrupt:  # the second interrupt
        for process in started:
            process.kill()
        return _end(started)


def _wait_for_all(processes: Sequence[subprocess.Popen[bytes]], request: StopRequest) -> list[int]:
    """Wait for all ranks. After a failure or a request to stop, give the others a while, then end them.

    A rank may wait for a failed one for ever.
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
    child_process.begin()
    sys.exit(main(sys.argv[1:]))
