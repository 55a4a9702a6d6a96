import math

import pytest
import torch
from longlag.tasks.spike_delay import SpikeDelay

from longlag.task import stream


def check_streams(task, batch, spikes):
    """Compare every answer, mask and length with t(n) = t(n−1) + T + I(n) from t(0) = 0, steps counted from 1.

    Returns all I(n) of each stream.
    """
    cues = task.cues(batch).tolist()
    delays = []
    for row, length in enumerate(batch.lengths.tolist()):
        line = [value for (value,) in batch.inputs[row].tolist()]
        assert set(line) <= {0.0, 1.0}
        times = [t for t, value in enumerate(line, start=1) if value == 1.0]
        assert len(times) == spikes
        assert length == times[-1]
        before, targets, extras = 0, [0.0] * len(line), []
        for t in times:
            extra = t - before - task.T
            assert extra in (0, 1)
            targets[t - 1] = float(extra)
            extras.append(extra)
            before = t
        assert [value for (value,) in batch.targets[row].tolist()] == targets
        assert batch.mask[row].tolist() == cues[row] == [value == 1.0 for value in line]
        delays.append(extras)
    return delays


@pytest.mark.parametrize(("T", "spikes"), [(1, 1), (1, 5), (10, 1), (50, 7)])
def test_the_answer_at_each_spike_is_the_delay_since_the_one_before(T, spikes):
    task = SpikeDelay(T, spikes)
    delays = check_streams(task, task.sample(2000, stream(0, "train", 0)), spikes)
    longer = sum(map(sum, delays))
    assert abs(longer - 1000 * spikes) < 5 * (500 * spikes) ** 0.5


def test_delays_have_nothing_to_do_with_each_other():
    task = SpikeDelay(4, spikes=3)
    delays = check_streams(task, task.sample(4000, stream(3, "train", 0)), 3)
    patterns = {tuple(extras) for extras in delays}
    assert len(patterns) == 8
    assert all(abs(delays.count(list(pattern)) - 500) < 5 * 500**0.5 for pattern in patterns)


def test_the_continual_version_has_streams_of_100_and_1000_spikes():
    task = SpikeDelay(spikes=100, eval_spikes=1000)
    for split, spikes in (("train", 100), ("probe", 100), ("val", 1000), ("test", 1000)):
        check_streams(task, task.draw(split, 0, 5), spikes)


def test_by_default_there_is_one_spike_in_every_split():
    task = SpikeDelay()
    for split in ("train", "val", "test"):
        check_streams(task, task.draw(split, 0, 50), 1)


def test_the_loss_is_half_the_squared_error_at_the_spikes():
    task = SpikeDelay(3, spikes=4)
    batch = task.sample(40, stream(4, "train", 0))
    outputs = torch.randn(batch.targets.shape, generator=torch.Generator().manual_seed(5), dtype=torch.float64)
    loss, error = 0.0, [0.0] * 40
    for row in range(40):
        before = 0
        for t, (value,) in enumerate(batch.inputs[row].tolist(), start=1):
            if value == 1.0:
                unit = 1 / (1 + math.exp(-outputs[row, t - 1, 0].item()))
                loss += (unit - (t - before - 3)) ** 2 / 2 / 40
                error[row] += abs(unit - (t - before - 3)) / 4
                before = t
    assert task.loss(outputs, batch).item() == pytest.approx(loss, rel=1e-12)
    assert task.judge(outputs, batch)["error"].tolist() == pytest.approx(error, rel=1e-12)


def test_a_stream_is_right_if_every_error_is_below_49_hundredths():
    task = SpikeDelay(4, spikes=3)
    batch = task.sample(3, stream(1, "train", 0))
    outputs = torch.where(batch.targets == 1, torch.tensor(0.5101).logit(), torch.tensor(0.4899).logit())
    assert task.judge(outputs, batch)["acc"].tolist() == [1.0, 1.0, 1.0]
    second = batch.mask[1].nonzero()[1, 0]
    outputs[1, second] = torch.tensor(0.5099 if batch.targets[1, second] == 1 else 0.4901).logit()
    outputs[2, 0] = 9.0  # no spike there
    assert task.judge(outputs, batch)["acc"].tolist() == [1.0, 0.0, 1.0]
    assert task.loss(torch.zeros_like(outputs), batch).item() == pytest.approx(3 / 8)


def test_streams_for_validation_and_test_have_a_length_of_their_own():
    task = SpikeDelay(3, spikes=2, eval_spikes=20)
    assert [task.draw(split, 0, 1).mask.sum().item() for split in ("train", "val", "test")] == [2, 20, 20]


def test_solved_is_every_stream():
    assert SpikeDelay(3).solved({"val/acc": 1.0})
    assert not SpikeDelay(3).solved({"val/acc": 0.996})


def test_the_cues_are_the_spikes():
    task = SpikeDelay(3, spikes=2)
    batch = task.sample(4, stream(2, "train", 0))
    assert torch.equal(task.cues(batch), batch.mask)


@pytest.mark.parametrize("name", ["T", "spikes", "eval_spikes"])
@pytest.mark.parametrize("value", [0, True, 2.5, "60"])
def test_wrong_settings_are_refused(name, value):
    with pytest.raises(ValueError, match=f"{name} must be an integer of at least 1, got {value!r}"):
        SpikeDelay(**{name: value})
