import torch
from longlag.tasks.adding import Adding
from longlag.tasks.copy_memory import CopyMemory
from longlag.tasks.embedded_reber import EmbeddedReber
from longlag.tasks.spike_delay import SpikeDelay

from longlag.show.sequence_tracks import answer_text, sequence_tracks
from longlag.task import stream


def test_values_are_a_track_for_each_channel_and_the_answer_stands_apart():
    task = Adding(10)
    batch = task.draw("train", 0, 20)
    row = int(batch.lengths.argmin())
    sequence = sequence_tracks(task, batch)[row]
    length = int(batch.lengths[row])
    assert [track.name for track in sequence.tracks] == ["value", "marker"]
    assert all(len(track.values) == length for track in sequence.tracks)  # no padding
    assert torch.equal(sequence.cues, batch.inputs[row, :length, 1] == 1)
    assert sequence.answer == f"{batch.targets[row, 0].item():.2f}"


def test_symbols_are_one_track_and_targets_on_the_way_another():
    task = CopyMemory(3, length=2, symbols=4)
    batch = task.sample(1, stream(0, "train", 0))
    (sequence,) = sequence_tracks(task, batch)
    given, asked = sequence.tracks
    assert given.symbols == ("1", "2", "3", "4", "·", ":")
    assert asked.wanted
    first = given.on[0].nonzero().item()
    assert asked.on[5].nonzero().item() == first  # two symbols and three steps later
    assert sequence.answer is None


def test_targets_that_do_not_count_are_not_there():
    task = SpikeDelay(3, spikes=2)
    (sequence,) = sequence_tracks(task, task.sample(1, stream(0, "train", 0)))
    target = sequence.tracks[1].values
    assert torch.equal(~target.isnan(), sequence.counts)
    assert sequence.counts.sum() == 2


def test_several_outputs_that_should_be_on_are_named_together():
    task = EmbeddedReber(9)
    batch = task.sample(1, stream(0, "train", 0))
    assert answer_text(task, task.wanted(batch)[0, 0]) == "TP"
    assert answer_text(task, task.wanted(batch)[0, 1]) == "B"
