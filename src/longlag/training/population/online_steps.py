"""The steps of members that learn on-line: a block of training sequences of each, in one call of the engine."""

import time
from collections.abc import Mapping, Sequence

from longlag.engine.native.online import Learned, OnlineRuns
from longlag.task import Batch
from longlag.training.online import Online
from longlag.training.population.member import Member

_MOST = 4096  # sequences of a member in a block
_FIRST = 64  # likewise in the first block, from whose time those of the next ones follow
_SECONDS = 0.3  # of a block, about: a request to stop waits for its end
_DRAWN = 2**28  # bytes of the inputs of all members


class OnlineSteps:
    """Takes the steps of members that learn on-line, which join and leave as they like."""

    def __init__(self) -> None:
        self._members: list[Member] = []
        self._runs: OnlineRuns | None = None
        self._most = _FIRST

    def most(self, members: Sequence[Member]) -> int:
        """Return the most sequences of each member in the next block."""
        task, width = members[0].task, members[0].dtype.itemsize
        of_a_sequence = task.steps("train") * (1 if task.draws_symbols else task.input_size) * width
        return max(1, min(self._most, _DRAWN // (len(members) * of_a_sequence)))

    def train(self, blocks: Mapping[Member, Batch]) -> dict[Member, Learned]:
        """Train each member on its block; the weights are then in its model, and all else in its optimizer."""
        self._arrange(list(blocks))
        runs = self._runs
        assert runs is not None
        began = time.monotonic()
        learned = runs.train(
            [block._replace(targets=member.task.loss_targets(block)) for member, block in blocks.items()]
        )
        self._pace(time.monotonic() - began, max(len(block.lengths) for block in blocks.values()))
        runs.store()
        for number, member in enumerate(self._members):
            _optimizer(member).note(runs.state(number))
        return dict(zip(self._members, learned, strict=True))

    def _arrange(self, members: list[Member]) -> None:
        """Let the members leave that are not among these, and the others join."""
        present = set(members)
        for number in reversed(range(len(self._members))):
            if self._members[number] not in present:
                assert self._runs is not None
                self._runs.remove(number)
                del self._members[number]
        for member in members[len(self._members) :]:  # who comes later stands behind
            model, optimizer = member.own_module.model, _optimizer(member)
            if self._runs is None:
                form = member.task.loss_form
                assert form is not None
                self._runs = OnlineRuns([model], form, optimizer.descent, optimizer.way, optimizer.update)
                self._runs.remove(0)  # it joins with its state, as all do
            self._runs.add(model, optimizer.descent, optimizer.progress)
            self._members.append(member)

    def _pace(self, seconds: float, sequences: int) -> None:
        """Set the length of the next block by the time of this one."""
        if seconds > _SECONDS:
            self._most = max(1, int(sequences * _SECONDS / seconds))
        elif sequences >= self._most and seconds < _SECONDS / 2:
            self._most = min(_MOST, 2 * self._most)


def _optimizer(member: Member) -> Online:
    assert isinstance(member.optimizer, Online)
    return member.optimizer
