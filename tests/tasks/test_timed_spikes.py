import math

import pytest
import torch
from longlag.tasks.spike_delay import SpikeDelay
from longlag.tasks.timed_spikes import TimedSpikes

from longlag.task import stream


def check_streams(task, batch, spikes):
    """Compare every target, mask and length with t(n) = t(n−1) + T + I(n), I(n) as the line shows it."""
    cues = task.cues(batch).tolist()
    for row, length in enumerate(batch.lengths.tolist()):
        line = [value for (value,) in batch.inputs[row].tolist()]
        expected, t = [0.0] * len(line), 0
        asked, starts = [0.0] * len(line), []
        while t < length:
            extra = int(line[t])  # shown at the first step of the interval
            assert extra in (0, 1)
            asked[t] = float(extra)
            starts.append(t)
            t += task.T + extra
            expected[t - 1] = 1.0
        assert t == length
        assert line == asked  # 0 at all other steps, and past the end
        assert [value for (value,) in batch.targets[row].tolist()] == expected
        assert len(starts) == spikes
        assert batch.mask[row].tolist() == [k < length for k in range(len(line))]
        assert cues[row] == [k in starts for k in range(len(line))]


@pytest.mark.parametrize(("T", "spikes"), [(2, 1), (2, 6), (10, 10)])
def test_spikes_come_when_the_line_has_asked_for_them(T, spikes):
    task = TimedSpikes(T, spikes)
    batch = task.sample(2000, stream(0, "train", 0))
    check_streams(task, batch, spikes)
    assert abs(batch.inputs.sum().item() - 1000 * spikes) < 5 * (500 * spikes) ** 0.5


def test_streams_for_validation_and_test_have_100_spikes_those_of_training_10():
    task = TimedSpikes()
    for split, spikes in (("train", 10), ("probe", 10), ("val", 100), ("test", 100)):
        check_streams(task, task.draw(split, 0, 20), spikes)
    check_streams(TimedSpikes(5, spikes=2, eval_spikes=1), TimedSpikes(5, 2, 1).draw("val", 0, 20), 1)


def test_it_is_the_spike_delay_task_with_its_roles_exchanged():
    """The same generator gives the same spikes, once as inputs and once as targets."""
    here = TimedSpikes(7, spikes=5).sample(50, stream(1, "train", 0))
    there = SpikeDelay(7, spikes=5).sample(50, stream(1, "train", 0))
    assert torch.equal(here.targets, there.inputs)
    assert torch.equal(here.lengths, there.lengths)
    for shown, answered, spikes in zip(here.inputs, there.targets, there.mask, strict=True):
        at = spikes.nonzero().flatten().tolist()
        starts = [0, *(step + 1 for step in at[:-1])]
        assert [shown[t].item() for t in starts] == [answered[t].item() for t in at]


def test_the_loss_is_half_the_squared_error_at_all_steps():
    task = TimedSpikes(3, spikes=4)
    batch = task.sample(40, stream(4, "train", 0))
    outputs = torch.randn(batch.targets.shape, generator=torch.Generator().manual_seed(5), dtype=torch.float64)
    loss = 0.0
    for row in range(40):
        line, t, due = batch.inputs[row, :, 0].tolist(), 0, set()
        while len(due) < 4:
            t += 3 + int(line[t])
            due.add(t - 1)
        for step in range(t):
            unit = 1 / (1 + math.exp(-outputs[row, step, 0].item()))
            loss += (unit - (step in due)) ** 2 / 2 / 40
    assert task.loss(outputs, batch).item() == pytest.approx(loss, rel=1e-12)


@pytest.mark.parametrize("step", [0, 4, 9])
def test_an_error_of_49_hundredths_is_wrong(step):
    task = TimedSpikes(5, spikes=2)
    batch = task.sample(10, stream(6, "train", 0))
    right = 20 * batch.targets.double() - 10
    for error, perfect, error_free in ((0.4899, 1.0, batch.lengths.tolist()), (0.4901, 0.0, [step] * 10)):
        outputs = right.clone()
        outputs[:, step] = (batch.targets[:, step].double() - error).abs().logit()
        judged = task.judge(outputs, batch)
        assert judged["perfect"].tolist() == [perfect] * 10
        assert judged["error_free"].tolist() == error_free


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
        ({"T": True}, "T must be an integer of at least 2 \\(a step between two spikes\\), got True"),
        ({"T": 3.5}, "T must be an integer of at least 2 .*, got 3.5"),
        ({"T": "60"}, "T must be an integer of at least 2 .*, got '60'"),
        ({"spikes": 0}, "spikes must be an integer of at least 1"),
        ({"eval_spikes": True}, "eval_spikes must be an integer of at least 1"),
    ],
)
def test_wrong_settings_are_refused(arguments, message):
    with pytest.raises(ValueError, match=message):
        TimedSpikes(**arguments)
