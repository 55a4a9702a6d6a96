"""Running one job in this process, or on ranks that this process starts."""

import contextlib

from rich.console import Console

from longlag.jobs.job import Job
from longlag.jobs.nodes import this_node
from longlag.jobs.ranks import train_on_ranks
from longlag.jobs.turn import Turn
from longlag.runs import Status
from longlag.training.callbacks.stopping import stop_requests
from longlag.training.population.train import train_alone
from longlag.training.run_parts import RunParts


def run_alone(
    job: Job,
    console: Console,
    place: str = "",
    tell: int | None = None,
    processes: int | None = None,
    parts: RunParts | None = None,
) -> Status:
    """Run a job, unless its run has nothing left to do, and print a line about its end.

    Args:
        job: the job.
        console: where to draw and print.
        place: the job's place in the grid, for the line.
        tell: the descriptor that gets progress messages instead of a bar; see :mod:`longlag.jobs.messages`.
        processes: the number of processes that the job wants, if another process has built the run to know it.
        parts: of the run, if they are built already.

    Raises:
        RequestError: another process runs the same run, or a setting is wrong.
        KeyboardInterrupt: the run was interrupted; its status says so.

    """
    turn = Turn(job, console, place, tell, parts)
    if (ended := turn.over()) is not None:
        return ended
    if processes is None or processes == 1:
        parts = turn.parts()  # before the folder is claimed: a wrong request leaves nothing behind
    if processes is None:
        assert parts is not None
        processes = parts.trainer.num_devices
    node = this_node(job.nodes)
    with contextlib.ExitStack() as held, stop_requests() as request:
        if (ended := turn.begin(held)) is not None:
            return ended
        if processes > 1 or node.count > 1:
            job.folder.write_config(job.settings)
            job.folder.write_status(Status("running", sources=turn.plan.sources))
            ended = train_on_ranks(job.folder, processes, request, tell, node)
        else:
            assert parts is not None
            ended = train_alone(parts, request)
    turn.say_end(ended)
    if ended.state == "interrupted" or request.by is not None:
        raise KeyboardInterrupt
    return ended
