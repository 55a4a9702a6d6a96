"""The rows of a grid's display: a running job, or a population that runs."""

from collections import Counter
from dataclasses import dataclass, field
from statistics import median_low


@dataclass
class Row:
    """A running job.

    Args:
        title: names it.
        begun: the time of its start.
        step: the latest step; ``None`` before the first.
        steps: the most steps; -1 without a limit.
        accuracy: at the latest validation.

    """

    title: str
    begun: float
    step: int | None = None
    steps: int = -1
    accuracy: float | None = None

    @property
    def share(self) -> float:
        """The share of its steps that it has taken, for the bar."""
        return min(1.0, (self.step or 0) / self.steps) if self.steps > 0 else 0.0

    @property
    def moving(self) -> bool:
        """Whether it has come to a first step."""
        return self.step is not None

    def move(self, number: int, step: int, steps: int, accuracy: float | None) -> None:
        """Update the step."""
        self.step, self.steps, self.accuracy = step, steps, accuracy

    def end(self, number: int, how: str) -> bool:
        """Take note that the job has ended; return whether the row is over."""
        return True

    def going(self) -> list[float]:
        """Return the share of its steps that each job has taken, of those that have not ended."""
        return [self.share]

    def figures(self, wide: bool = True) -> str:
        """Return the progress in words; in few columns, without the accuracy."""
        if self.step is None:
            return "starting"
        accuracy = "" if self.accuracy is None or not wide else f"  val acc {self.accuracy:.3f}"
        return f"step {self.step}{f'/{self.steps}' if self.steps > 0 else ''}{accuracy}"


@dataclass
class PopulationRow:
    """A population that runs.

    Args:
        title: names it.
        begun: the time of its start.
        members: the jobs, by their numbers, that have not ended: those that run, each with its progress, and others.

    """

    title: str
    begun: float
    members: dict[int, Row]
    ended: Counter[str] = field(default_factory=Counter)

    @property
    def share(self) -> float:
        """The share of all steps of all members, for the bar; one that has ended counts as whole."""
        done, left = self.ended.total(), self.going()
        return (done + sum(left)) / (done + len(left))

    @property
    def moving(self) -> bool:
        """Whether a member has come to a first step."""
        return bool(self._running()) or bool(self.ended)

    def move(self, number: int, step: int, steps: int, accuracy: float | None) -> None:
        """Update the step of a member."""
        self.members[number].move(number, step, steps, accuracy)

    def end(self, number: int, how: str) -> bool:
        """Take note that a member has ended; return whether all have."""
        del self.members[number]
        self.ended[how] += 1
        return not self.members

    def going(self) -> list[float]:
        """Return the share of its steps that each member has taken, of those that have not ended."""
        return [member.share for member in self.members.values()]

    def figures(self, wide: bool = True) -> str:
        """Return the progress in words: the members that run, of those left, and the step of the median one."""
        running = self._running()
        if not running:
            return f"{len(self.members)} starting" if not self.ended else f"{len(self.members)} left"
        step, steps = median_low((one.step or 0, one.steps) for one in running)
        parts = [f"{len(running)} of {len(self.members)}{' running' * wide}"]
        parts += [f"step {step}{f'/{steps}' if steps > 0 else ''}"]
        parts += [f"{self.ended['solved']} solved"] if wide and self.ended["solved"] else []
        return "  ".join(parts)

    def _running(self) -> list[Row]:
        return [member for member in self.members.values() if member.moving]
