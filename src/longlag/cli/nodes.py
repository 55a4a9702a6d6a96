"""A run on several nodes of a cluster: the first node says, on the disk that they share, where the ranks meet."""

import json
import os
import time
from collections.abc import Callable
from dataclasses import dataclass

from longlag.cli.requests import RequestError
from longlag.runs import RunFolder
from longlag.runs.files import write_whole

_FILE = "meeting.json"
_LOOK_S = 0.5  # how often the other nodes look whether the first has said it
_PATIENCE_S = 600.0  # how long they do


@dataclass(frozen=True)
class Node:
    """One of the nodes that a run is on; the only one, if nothing is said.

    Args:
        rank: which of them.
        count: how many there are.
        address: of this one, for the others.
        start: tells this start of the job from all others, which may have left something in the run's folder.

    """

    rank: int = 0
    count: int = 1
    address: str = "127.0.0.1"
    start: str = ""

    def invite(self, folder: RunFolder, port: int) -> dict[str, str]:
        """Say to the other nodes, if there are any, where the ranks meet, and return the variables that say it to ours.

        Args:
            folder: the run.
            port: of this node.

        """
        meeting = {"MASTER_ADDR": self.address, "MASTER_PORT": str(port)}
        if self.count > 1:
            write_whole(folder.path / _FILE, json.dumps({**meeting, "start": self.start}))
        return meeting

    def part(self, folder: RunFolder) -> None:
        """Take back what was said."""
        (folder.path / _FILE).unlink(missing_ok=True)

    def invited(self, folder: RunFolder, in_vain: Callable[[], bool]) -> dict[str, str] | None:
        """Wait until the first node has said where the ranks meet; ``None`` if it has not.

        Args:
            folder: the run.
            in_vain: says whether there is nothing to wait for any more.

        """
        deadline = time.monotonic() + _PATIENCE_S
        while not in_vain() and time.monotonic() < deadline:
            try:
                list(folder.path.iterdir())  # has a network disk look anew
                meeting: dict[str, str] = json.loads((folder.path / _FILE).read_text())
            except OSError:
                meeting = {}
            if meeting.pop("start", None) == self.start:
                return meeting
            time.sleep(_LOOK_S)
        return None


def this_node(nodes: int) -> Node:
    """Return which of the nodes of a run this is.

    Args:
        nodes: how many the run wants.

    Raises:
        RequestError: this is no job of SLURM on so many.

    """
    if nodes == 1:
        return Node()
    if os.environ.get("SLURM_JOB_NUM_NODES") != str(nodes):
        raise RequestError(f"trainer.num_nodes={nodes}: this is no job of SLURM on {nodes} nodes")
    address = os.environ.get("MASTER_ADDR", os.environ["SLURMD_NODENAME"])
    start = f"{os.environ['SLURM_JOB_ID']}.{os.environ.get('SLURM_RESTART_COUNT', '0')}"
    return Node(int(os.environ["SLURM_NODEID"]), nodes, address, start)
