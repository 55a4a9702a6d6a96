import pytest
import torch

from longlag.task import stream
from tasks.spike_delay import SpikeDelay


@pytest.mark.parametrize(("T", "spikes"), [(1, 1), (10, 1), (50, 7)])
def test_the_answer_at_each_spike_is_the_delay_since_the_one_before(T, spikes):
    """t(n) = t(n−1) + T + I(n) from t(0) = 0, steps counted from 1."""
    batch = SpikeDelay(T, spikes).sample(2000, stream(0, "train", 0))
    longer = 0
    for row in range(2000):
        line = [step[0] for step in batch.inputs[row].tolist()]
        assert set(line) <= {0.0, 1.0}
        times = [t for t, value in enumerate(line, start=1) if value == 1.0]
        assert len(times) == spikes
        assert batch.lengths[row].item() == times[-1]
        assert batch.mask[row].nonzero().flatten().tolist() == [t - 1 for t in times]
        before = 0
        for t in times:
            extra = t - before - T
            assert extra in (0, 1)
            assert batch.targets[row, t - 1].item() == extra
            longer += extra
            before = t
    assert abs(longer - 1000 * spikes) < 5 * (500 * spikes) ** 0.5


def test_a_stream_is_right_if_every_error_is_below_49_hundredths():
    task = SpikeDelay(4, spikes=3)
    batch = task.sample(3, stream(1, "train", 0))
    outputs = torch.where(batch.targets == 1, torch.tensor(0.511).logit(), torch.tensor(0.489).logit())
    assert task.judge(outputs, batch)["acc"].tolist() == [1.0, 1.0, 1.0]
    second = batch.mask[1].nonzero()[1, 0]
    outputs[1, second] = 0.0  # an output of 0.5
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
@pytest.mark.parametrize("value", [0, True, 2.5])
def test_wrong_settings_are_refused(name, value):
    with pytest.raises(ValueError, match=f"{name} must be an integer of at least 1"):
        SpikeDelay(**{name: value})
