"""A sequence as tracks against time, for drawing."""

from dataclasses import dataclass

from torch import Tensor

from longlag.task import Batch, Task


@dataclass(frozen=True)
class Track:
    """One quantity against time.

    Args:
        name: its name.
        symbols: the names of the rows of a track of symbols; empty for a track of values.
        on: the symbols that are on at each step, [L, S], bool.
        values: [L], NaN at a step without a value.
        wanted: whether the track is a target.

    """

    name: str
    symbols: tuple[str, ...] = ()
    on: Tensor | None = None
    values: Tensor | None = None
    wanted: bool = False


@dataclass(frozen=True)
class SequenceTracks:
    """A sequence for drawing.

    Args:
        tracks: the inputs, and the targets of a task with a readout at every step.
        cues: the steps on which the targets depend, [L], bool.
        counts: the steps at which a target counts, [L], bool.
        answer: the target of a task with a readout at the last step, in words.

    """

    tracks: list[Track]
    cues: Tensor
    counts: Tensor
    answer: str | None


def sequence_tracks(task: Task, batch: Batch) -> list[SequenceTracks]:
    """Return each sequence of a batch, without its padding."""
    cues, wanted = task.cues(batch), task.wanted(batch)
    sequences = []
    for row, length in enumerate(batch.lengths.tolist()):
        tracks = _inputs(task, batch.inputs[row, :length])
        counts = batch.mask[row, :length]
        answer = None
        if task.readout == "every":
            tracks.append(_targets(task, wanted[row, :length], counts))
        else:
            answer = answer_text(task, wanted[row])
        sequences.append(SequenceTracks(tracks, cues[row, :length], counts, answer))
    return sequences


def answer_text(task: Task, wanted: Tensor) -> str:
    """Return the target outputs [O] in words: the names of the outputs that should be on, or the values."""
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
