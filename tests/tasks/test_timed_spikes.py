import pytest
import torch

from longlag.task import stream
from tasks.spike_delay import SpikeDelay
from tasks.timed_spikes import TimedSpikes


@pytest.mark.parametrize(("T", "spikes"), [(2, 1), (10, 10)])
def test_spikes_come_when_the_line_has_asked_for_them(T, spikes):
    batch = TimedSpikes(T, spikes).sample(2000, stream(0, "train", 0))
    for row in range(2000):
        length = batch.lengths[row].item()
        line = [step[0] for step in batch.inputs[row].tolist()]
        expected, t = [], 0
        asked = [0.0] * len(line)
        while t < length:
            extra = int(line[t])  # shown at the first step of the interval
            asked[t] = line[t]
            t += T + extra
            expected.append(t - 1)
        assert t == length
        assert line == asked  # 0 at all other steps
        assert batch.targets[row, :, 0].nonzero().flatten().tolist() == expected
        assert len(expected) == spikes
        assert batch.mask[row].tolist() == [k < length for k in range(len(line))]


def test_it_is_the_spike_delay_task_with_its_roles_exchanged():
    """The same generator gives the same spikes, once as inputs and once as targets."""
    here = TimedSpikes(7, spikes=5).sample(50, stream(1, "train", 0))
    there = SpikeDelay(7, spikes=5).sample(50, stream(1, "train", 0))
    assert torch.equal(here.targets, there.inputs)
    assert torch.equal(here.lengths, there.lengths)


def test_one_missing_spike_is_one_wrong_answer():
    task = TimedSpikes(5, spikes=4)
    batch = task.sample(2, stream(2, "train", 0))
    outputs = 20 * batch.targets - 10
    assert task.judge(outputs, batch)["perfect"].tolist() == [1.0, 1.0]
    third = batch.targets[0, :, 0].nonzero()[2, 0].item()
    outputs[0, third] = -10.0
    judged = task.judge(outputs, batch)
    assert judged["perfect"].tolist() == [0.0, 1.0]
    assert judged["error_free"][0].item() == third
    length = batch.lengths[0].item()
    assert judged["acc"][0].item() == pytest.approx((length - 1) / length)


def test_solved_is_every_answer_of_every_stream():
    assert TimedSpikes(5).solved({"val/perfect": 1.0})
    assert not TimedSpikes(5).solved({"val/perfect": 0.97, "val/acc": 0.9999})


def test_the_cues_are_the_steps_at_which_the_line_may_speak():
    task = TimedSpikes(3, spikes=3)
    batch = task.sample(1, stream(3, "train", 0))
    spikes = batch.targets[0, :, 0].nonzero().flatten().tolist()
    assert task.cues(batch)[0].nonzero().flatten().tolist() == [0, spikes[0] + 1, spikes[1] + 1]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"T": 1}, "T must be an integer of at least 2"),
        ({"spikes": 0}, "spikes must be an integer of at least 1"),
        ({"eval_spikes": True}, "eval_spikes must be an integer of at least 1"),
    ],
)
def test_wrong_settings_are_refused(arguments, message):
    with pytest.raises(ValueError, match=message):
        TimedSpikes(**arguments)
