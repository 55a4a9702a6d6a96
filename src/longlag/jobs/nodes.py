"""A run on several nodes of a cluster: the first node writes to the shared disk where the ranks meet."""

import json
import os
import time
from collections.abc import Callable
from dataclasses import dataclass

from longlag.errors import RequestError
from longlag.runs import DamagedRunError, RunFolder
from longlag.runs.files import write_whole
from longlag.runs.schema import read_json

_FILE = "meeting.json"
_LOOK_S = 0.5  # between two looks for the file of the first node
_PATIENCE_S = 600.0  # the most time that the other nodes wait for it


@dataclass(frozen=True)
class Node:
    """One of the nodes of a run; by default the only one.

    Args:
        rank: of the node.
        count: the number of nodes.
        address: of this node.
        start: names this start of the job; an earlier start may have left its file in the run's folder.

    """

    rank: int = 0
    count: int = 1
    address: str = "127.0.0.1"
    start: str = ""

    def invite(self, folder: RunFolder, port: int) -> dict[str, str]:
        """Tell the other nodes where the ranks meet, and return the same as variables for the ranks of this node.

        Args:
            folder: the run.
            port: of this node.

        """
        meeting = {"MASTER_ADDR": self.address, "MASTER_PORT": str(port)}
        if self.count > 1:
            write_whole(folder.path / _FILE, json.dumps({**meeting, "start": self.start}))
        return meeting

    def part(self, folder: RunFolder) -> None:
        """Remove the file for the other nodes."""
        (folder.path / _FILE).unlink(missing_ok=True)

    def invited(self, folder: RunFolder, in_vain: Callable[[], bool]) -> dict[str, str] | None:
        """Wait for the meeting place of the ranks; ``None`` if the first node never writes it.

        Args:
            folder: the run.
            in_vain: returns whether the wait is in vain.

        """
        deadline = time.monotonic() + _PATIENCE_S
        while not in_vain() and time.monotonic() < deadline:
            try:
                list(folder.path.iterdir())  # makes a network disk refresh
                meeting = read_json(folder.path / _FILE, dict[str, str])
            except (OSError, DamagedRunError):
                meeting = {}
            if meeting.pop("start", None) == self.start:
                return meeting
            time.sleep(_LOOK_S)
        return None


def this_node(nodes: int) -> Node:
    """Return this node of a run.

    Args:
        nodes: the number that the run wants.

    Raises:
        RequestError: this process is no job of SLURM on this number of nodes.

    """
    if nodes == 1:
        return Node()
    if os.environ.get("SLURM_JOB_NUM_NODES") != str(nodes):
        raise RequestError(f"trainer.num_nodes={nodes}: this is no job of SLURM on {nodes} nodes")
    address = os.environ.get("MASTER_ADDR", os.environ["SLURMD_NODENAME"])
    start = f"{os.environ['SLURM_JOB_ID']}.{os.environ.get('SLURM_RESTART_COUNT', '0')}"
    return Node(int(os.environ["SLURM_NODEID"]), nodes, address, start)
