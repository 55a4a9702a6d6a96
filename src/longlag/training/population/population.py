"""The members of a population, and one step of all of them at once."""

import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from itertools import islice
from typing import Literal, TypeVar

import torch

from longlag.errors import described
from longlag.flow.native_flow import runs_natively
from longlag.runs import Status
from longlag.task import Batch
from longlag.training.callbacks.error_flow import measurements
from longlag.training.callbacks.stopping import Interrupted
from longlag.training.population.backend import Backend
from longlag.training.population.member import Member
from longlag.training.population.online_steps import OnlineSteps
from longlag.training.population.outputs import outputs_of
from longlag.training.population.stacked_optimizers import StackedOptimizers
from longlag.training.run_parts import RunParts
from longlag.training.train_log import logged_to

_T = TypeVar("_T")
_PROBED = 2**24  # bytes that a measurement of the error flow keeps, whose many small operations read all of it again
_WRITING = 0.02  # the share of the time that goes into checkpoints


class Population:
    """Members train side by side, each with its own step count; one that leaves makes room for the next.

    An exception of one member ends that member alone.

    Args:
        arriving: the runs, in the order in which they join.
        at_once: the most members at once.
        ended: called as each member ends, with the status that is recorded.
        backend: where they run.

    """

    def __init__(
        self,
        arriving: Iterator[RunParts],
        at_once: int,
        ended: Callable[[RunParts, Status], None],
        backend: Backend,
    ) -> None:
        self.members: dict[Member, None] = {}
        """Those that train, in the order in which they joined."""
        self._arriving = arriving
        self._at_once = at_once
        self._ended = ended
        self._backend = backend
        self._next_write = 0.0
        self._optimizers = StackedOptimizers()
        self._online = OnlineSteps()

    def fill(self) -> None:
        """Let runs join while there is room; those with nothing left to train end at once."""
        while len(self.members) < self._at_once:
            joining = [Member(parts) for parts in islice(self._arriving, self._at_once - len(self.members))]
            if not joining:
                return
            self.members |= dict.fromkeys(joining)
            joining = list(self._each(joining, lambda each: each.begin()))
            joining = list(self._each(joining, self._prepare))
            self._measure([member for member in joining if member.view.global_step == 0])
            joining = list(self._each(joining, lambda each: each.start()))
            self._finish([member for member in joining if member.view.should_stop])

    def step(self) -> None:
        """Take a step with every member, or several where they learn on-line, and validate those that are due."""
        began = time.monotonic()
        present = list(self.members)
        if present[0].plan.online:
            self._learn(present)
        else:
            self._descend(present)
        self._validate([member for member in self.members if member.due])
        self._finish([member for member in self.members if member.view.should_stop])
        self._write_checkpoints()
        share = (time.monotonic() - began) / len(present)
        for member in present:
            member.spend(share)
        self._each(self.members, lambda each: each.check_time())

    def end_all(self, error: BaseException | None = None) -> None:
        """End all members, with a checkpoint of their latest step.

        Args:
            error: the reason; without one, they have been asked to stop.

        """
        for member in list(self.members):
            if error is None:
                self._each([member], lambda each: each.save())
        for member in list(self.members):
            self._leave(member, error or Interrupted(f"asked to stop at step {member.view.global_step}"))

    def _descend(self, members: Sequence[Member]) -> None:
        """Take a step with the optimizers of members."""
        self._optimizers.zero_grad()
        trained = [member for some in self._chunks(members, "train") for member in self._send_back(some)]
        trained = list(self._each(trained, lambda each: each.clip()))
        self._optimizers.step([member.optimizer for member in trained])
        self._each(trained, lambda each: each.end_step())

    def _learn(self, members: Sequence[Member]) -> None:
        """Learn on-line: each member a block of its training sequences, up to its next validation or less far."""
        most = self._online.most(members)
        with self._default_type():
            blocks = self._each(members, lambda each: each.training_block(most))
            if blocks:
                learned = self._online.train(blocks)
                self._each(learned, lambda each: each.end_block(blocks[each], learned[each]))

    def _prepare(self, member: Member) -> None:
        with logged_to(member.plan.folder.log):
            member.prepare(self._backend)

    def _measure(self, members: Iterable[Member]) -> None:
        """Measure the error flow of members at once, ahead of their probes, which record it.

        Where there is no native engine, as may be on a machine with a GPU, each probe measures by itself.
        """
        batches = self._each(members, lambda each: each.probe_batch())
        alike: dict[torch.Size, list[Member]] = {}
        for member, batch in batches.items():
            if batch is not None and runs_natively(member.own_module.model):
                alike.setdefault(batch.inputs.shape, []).append(member)
        for group in alike.values():
            for some in self._chunks(group, "probe"):
                measured = measurements(
                    [member.own_module.model for member in some],
                    [batch for member in some if (batch := batches[member]) is not None],
                    [member.task.loss for member in some],
                )
                for member, each in zip(some, measured, strict=True):
                    assert member.error_flow is not None
                    member.error_flow.measure_ahead(each)

    def _send_back(self, members: Sequence[Member]) -> Iterable[Member]:
        """Draw a batch for each of some members, and send the errors back; return the members that have gradients."""
        drawn = self._each(members, lambda each: each.training_batch())
        if not drawn:
            return []
        batches = dict(zip(drawn, self._backend.moved(list(drawn.values())), strict=True))
        with self._default_type():
            outputs = outputs_of(
                self._backend.engine,
                [member.own_module.model for member in batches],
                list(batches.values()),
                [member.own_module.dropping(0) for member in batches],
            )
            of_member = dict(zip(batches, outputs, strict=True))
            losses = self._each(batches, lambda each: each.own_module.training_loss(of_member[each], batches[each]))
        if losses:
            torch.autograd.backward(list(losses.values()))
        return losses

    def _validate(self, members: Sequence[Member]) -> None:
        judged = self._judge(
            members,
            lambda each: each.validation_batches(),
            lambda each, outputs, batch, number: each.own_module.judge_validation(outputs, batch, number),
        )
        self._measure(judged)
        self._each(judged, lambda each: each.end_validation(judged[each]))

    def _finish(self, members: Sequence[Member]) -> None:
        """Test members that have come to their end, and let them leave."""
        judged = self._judge(
            members,
            lambda each: each.test_batches(),
            lambda each, outputs, batch, _: each.own_module.test_metrics.update(outputs, batch),
        )
        for member in self._each(judged, lambda each: each.end_test()):
            self._leave(member, None)

    @torch.no_grad()
    def _judge(
        self,
        members: Sequence[Member],
        batches: Callable[[Member], Iterator[tuple[Batch, int]]],
        judge: Callable[[Member, torch.Tensor, Batch, int], None],
    ) -> dict[Member, int]:
        """Judge the batches of members side by side; return how many each has."""
        counts: dict[Member, int] = {}
        for some in self._chunks(members, "val"):
            loaders = {member: batches(member) for member in some}
            left = list(some)
            while left:
                drawn = self._each(left, lambda each: next(loaders[each], None))  # noqa: B023 -- called at once
                counts |= {member: counts.get(member, 0) + (batch is not None) for member, batch in drawn.items()}
                present = {member: batch for member, batch in drawn.items() if batch is not None}
                left = list(present)
                moved = dict(zip(left, self._backend.moved([batch for batch, _ in present.values()]), strict=True))
                with self._default_type():
                    models = [member.own_module.model for member in left]
                    outputs = outputs_of(self._backend.engine, models, list(moved.values()))
                    of_member = dict(zip(left, outputs, strict=True))
                    self._each(left, lambda each: judge(each, of_member[each], moved[each], present[each][1]))  # noqa: B023
        return {member: count for member, count in counts.items() if member in self.members}

    def _write_checkpoints(self) -> None:
        """Write the checkpoint that has waited longest, if the last write is long enough ago."""
        now = time.monotonic()
        waiting = [member for member in self.members if member.checkpoints.waiting]
        if now < self._next_write or not waiting:
            return
        member = min(waiting, key=lambda each: each.checkpoints.written_at)
        self._each([member], lambda each: each.checkpoints.write())
        end = time.monotonic()
        self._next_write = end + (end - now) / _WRITING

    def _chunks(self, members: Sequence[Member], split: Literal["train", "val", "probe"]) -> Iterator[Sequence[Member]]:
        """Yield the members, as many at once as may share the memory."""
        if not members:
            return
        task, model, width = members[0].task, members[0].own_module.model, self._backend.dtype.itemsize
        chunk = min(task.chunk_size, max(task.splits.val_size, task.splits.test_size))
        sequences, of_a_unit, most = {
            "train": (task.splits.batch_size, 8 * width, self._backend.kept),
            "probe": (16, 12 * 8, _PROBED),
            "val": (chunk, width, self._backend.kept),
        }[split]
        of_a_step = of_a_unit * model.readout.in_features * len(model.cells)
        size = max(1, most // (sequences * task.steps(split) * of_a_step))
        for start in range(0, len(members), size):
            yield members[start : start + size]

    @contextmanager
    def _default_type(self) -> Iterator[None]:
        """Make the type of the weights that of new tensors, as Lightning does in the forward pass of a run alone."""
        before = torch.get_default_dtype()
        torch.set_default_dtype(self._backend.dtype)
        try:
            yield
        finally:
            torch.set_default_dtype(before)

    def _each(self, members: Iterable[Member], action: Callable[[Member], _T]) -> dict[Member, _T]:
        """Do something for each member that has not left, and return the results; a member that it fails for leaves."""
        results: dict[Member, _T] = {}
        for member in [each for each in members if each in self.members]:
            try:
                results[member] = action(member)
            except Exception as error:
                self._leave(member, error)
        return results

    def _leave(self, member: Member, error: BaseException | None) -> None:
        """Record how a member has ended."""
        del self.members[member]
        try:
            with logged_to(member.plan.folder.log) as log:
                status = member.end(error, log)
        except Exception as fault:  # such as a disk that is full
            status = Status("failed", reason=described(fault))
        self._ended(member.parts, status)
