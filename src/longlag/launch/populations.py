"""Forming populations: the jobs of a grid that may train in one batch, shared out among processes."""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Any

from omegaconf import DictConfig

from longlag.launch.assignment import Assignment
from longlag.launch.queued_job import QueuedJob
from longlag.launch.session import session

#: (the number of jobs of one kind, the most members at once) -> the number of populations that they form.
HowMany = Callable[[int, int], int]


def divided(kinds: Sequence[Any], how_many: HowMany, at_once: int) -> list[list[int]]:
    """Return the jobs, by their numbers, of each process: of one that trains alone, or of a population.

    Args:
        kinds: of the jobs; nothing for one that trains alone.
        how_many: says how many populations a kind forms.
        at_once: the most members at once.

    """
    groups: dict[Any, list[int]] = {}
    for number, kind in enumerate(kinds):
        groups.setdefault(kind or (None, number), []).append(number)
    shares: list[list[int]] = []
    for members in groups.values():
        count = min(len(members), how_many(len(members), at_once))
        shares += [members[k::count] for k in range(count)]
    return sorted(shares)


def assignments(
    take: Callable[[DictConfig], QueuedJob | None],
    configs: Iterable[DictConfig],
    jobs: int,
    how_many: HowMany,
    say: Callable[[str], None],
) -> Iterator[Assignment | None]:
    """Yield what each process is to train; ``None`` now and then, while there is nothing yet.

    Where no population can be formed, a job is taken when its turn comes; else all are taken first.

    Args:
        take: returns the job of a configuration; ``None`` if there is nothing to run.
        configs: of the jobs; each is composed when it is taken.
        jobs: how many there are.
        how_many: says how many populations a kind forms.
        say: prints a line.

    """
    at_once = session().at_once
    if at_once == 1 or jobs < 2 or not session().may_join:
        for config in configs:
            queued = take(config)
            yield None if queued is None else Assignment((queued,))
        return
    taken: list[QueuedJob] = []
    for config in configs:
        queued = take(config)
        taken += [] if queued is None else [queued]
        yield None
    kinds = [queued.kind and (queued.kind, *sorted(queued.environment.items()), queued.fail_fast) for queued in taken]
    shares = divided(kinds, how_many, at_once)
    formed = [Assignment(tuple(taken[k] for k in share), min(at_once, len(share))) for share in shares]
    if (line := summary([[queued.job.settings for queued in one.jobs] for one in formed])) and not session().formed:
        session().formed = True
        say(line)
    yield from formed


def summary(groups: Sequence[Sequence[Mapping[str, Any]]]) -> str:
    """Return a line about the populations that were formed, such as ``150 runs as 3 populations: T=20, 60, 100``.

    Args:
        groups: the settings of the jobs of each process.

    Returns:
        The line; empty if there is no population.

    """
    populations = [group for group in groups if len(group) > 1]
    if not populations:
        return ""
    runs, alone = sum(map(len, populations)), len(groups) - len(populations)
    many = "one population" if len(populations) == 1 else f"{len(populations)} populations"
    rest = f"; {alone} alone" if alone else ""
    return f"{runs} runs as {many}: {_told_apart([group[0] for group in populations])}{rest}"


def _told_apart(firsts: Sequence[Mapping[str, Any]]) -> str:
    """Return what tells kinds of jobs apart: the lags alone, or the cells and tasks too; in a few words."""
    names = list(dict.fromkeys((one["run"]["cell"], one["run"]["task"], one["run"]["T"]) for one in firsts))
    cells, tasks, lags = (list(dict.fromkeys(values)) for values in zip(*names, strict=True))
    if len(cells) == len(tasks) == 1 and len(lags) > 1:
        return f"T={_listed(lags)}"
    if len(names) == 1:
        return "{} {} T={}".format(*names[0])
    return _listed([f"{cell} {task} T={T}" for cell, task, T in names])


def _listed(names: Sequence[Any], most: int = 6) -> str:
    more = f" and {len(names) - most} more" if len(names) > most else ""
    return ", ".join(map(str, names[:most])) + more
