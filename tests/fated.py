"""A task of a reader whose runs have fates: by the seed of its sequences, one fails and one kills its process."""

SOURCE = """
import os
import signal

from longlag.tasks import DelayedXOR


class Fated(DelayedXOR):
    def __init__(self, T, bits=2, splits=None, fails=-1, kills=-1):
        super().__init__(T, bits, splits)
        self.fails, self.kills = fails, kills

    def sample(self, n, generator):
        if self.splits.seed == self.fails:
            raise RuntimeError("not today")
        if self.splits.seed == self.kills:
            os.kill(os.getpid(), signal.SIGKILL)
        return super().sample(n, generator)
"""
#: The overrides that choose it, in a folder that holds SOURCE as ``fates.py``.
TASK = ("task._target_=fates.Fated", "+task.fails=-1", "+task.kills=-1")
