"""What there is to see of a sequence, track by track."""

from dataclasses import dataclass

from torch import Tensor

from longlag.task import Batch, Task


@dataclass(frozen=True)
class Track:
    """One thing against time.

    Args:
        name: what it is.
        symbols: the names of the rows, where each step has some of them on; none for values.
        on: which of them, [L, S], bool.
        values: [L], NaN where there is none.
        wanted: whether it is a target.

    """

    name: str
    symbols: tuple[str, ...] = ()
    on: Tensor | None = None
    values: Tensor | None = None
    wanted: bool = False


@dataclass(frozen=True)
class Portrait:
    """A sequence to be drawn.

    Args:
        tracks: its inputs, and its targets if there are any on the way.
        cues: the steps that the targets depend on, [L], bool.
        counts: the steps at which a target counts, [L], bool.
        answer: what is asked for at the end, if that is all that is asked for.

    """

    tracks: list[Track]
    cues: Tensor
    counts: Tensor
    answer: str | None


def portraits(task: Task, batch: Batch) -> list[Portrait]:
    """Return each sequence of a batch, without its padding."""
    cues, wanted = task.cues(batch), task.wanted(batch)
    found = []
    for row, length in enumerate(batch.lengths.tolist()):
        tracks = _inputs(task, batch.inputs[row, :length])
        counts = batch.mask[row, :length]
        answer = None
        if task.readout == "every":
            tracks.append(_targets(task, wanted[row, :length], counts))
        else:
            answer = said(task, wanted[row])
        found.append(Portrait(tracks, cues[row, :length], counts, answer))
    return found


def said(task: Task, wanted: Tensor) -> str:
    """Return what the outputs should be, [O], in words: the names of those that should be on, or the values."""
    if not task.answers:
        return " ".join(f"{value:.2f}" for value in wanted.tolist())
    return "".join(name for name, value in zip(task.answers, wanted.tolist(), strict=True) if value > 0.5)


def _inputs(task: Task, inputs: Tensor) -> list[Track]:
    if task.alphabet:
        return [Track("input", task.alphabet, on=inputs > 0.5)]
    names = task.channels or tuple(f"input {k}" for k in range(task.input_size))
    return [Track(name, values=inputs[:, k]) for k, name in enumerate(names)]


def _targets(task: Task, wanted: Tensor, counts: Tensor) -> Track:
    if task.answers:
        return Track("target", task.answers, on=(wanted > 0.5) & counts[:, None], wanted=True)
    return Track("target", values=wanted[:, 0].where(counts, float("nan")), wanted=True)
