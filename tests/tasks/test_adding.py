import pytest
import torch
from longlag.tasks.adding import Adding

from longlag.task import stream


def marked(batch, row, T):
    """Return the places of the marked pairs of a sequence; the very first pair is one if fewer than two show a 1."""
    places = [t for t, step in enumerate(batch.inputs[row].tolist()) if step[1] == 1.0]
    return places if len(places) == 2 else [0, *places]


@pytest.mark.parametrize("T", [6, 10, 21, 22, 100])
def test_targets_are_what_a_naive_loop_adds_up(T):
    batch = Adding(T).sample(2000, stream(0, "train", 0))
    lengths = set()
    for row in range(2000):
        length = batch.lengths[row].item()
        lengths.add(length)
        steps = batch.inputs[row].tolist()
        assert not any(any(step) for step in steps[length:])
        assert all(-1 <= value <= 1 for value, _ in steps)
        markers = [marker for _, marker in steps[:length]]
        assert markers[0] == markers[-1] == -1.0
        assert set(markers[1:-1]) <= {0.0, 1.0}
        places = [t for t, marker in enumerate(markers) if marker == 1.0]
        assert len(places) in (1, 2)
        total = sum(steps[t][0] for t in places)  # of one alone, if the very first pair was drawn: it counts as 0
        assert batch.targets[row].tolist() == pytest.approx([0.5 + total / 4], abs=1e-6)
        assert batch.mask[row].tolist() == [t == length - 1 for t in range(batch.mask.shape[1])]
    assert lengths == set(range(T, T + T // 10 + 1))


@pytest.mark.parametrize(("T", "early", "half"), [(100, 10, 50), (20, 10, 10), (12, 6, 6), (6, 3, 3)])
def test_marked_pairs_are_in_their_windows_and_reach_both_ends(T, early, half):
    """One among the first 10; the other among the first T/2 − 1 without it, so both among the first T/2."""
    batch = Adding(T).sample(20_000, stream(1, "train", 0))
    pairs = [marked(batch, row, T) for row in range(20_000)]
    assert all(len(set(pair)) == 2 for pair in pairs)
    assert min(min(pair) for pair in pairs) == 0
    assert max(min(pair) for pair in pairs) <= early - 1  # one of them is among the first 10
    assert max(max(pair) for pair in pairs) == half - 1  # which leaves T/2 steps to the end
    if T == 100:  # 40 of the 49 unmarked pairs are beyond the first 10, and all as likely
        beyond = [max(pair) for pair in pairs if max(pair) >= 10]
        share = len(beyond) / 20_000
        assert abs(share - 40 / 49) < 5 * (0.16 / 20_000) ** 0.5
        for place in (10, 30, 49):
            expected = len(beyond) / 40
            assert abs(beyond.count(place) - expected) < 5 * expected**0.5


def test_the_early_pair_is_one_of_the_first_ten_and_all_ten_are_as_likely():
    """Where the other one is beyond them; a first pair that is marked shows no 1, so the ten include it."""
    batch = Adding(100).sample(20_000, stream(1, "train", 0))
    pairs = [marked(batch, row, 100) for row in range(20_000)]
    early = [min(pair) for pair in pairs if max(pair) >= 10]
    expected = len(early) / 10
    for place in range(10):
        assert abs(early.count(place) - expected) < 5 * (0.9 * expected) ** 0.5


def test_a_first_pair_that_is_marked_keeps_its_marker_and_counts_as_nothing():
    batch = Adding(100).sample(5000, stream(4, "train", 0))
    alone = [row for row in range(5000) if (batch.inputs[row, :, 1] == 1).sum() == 1]
    assert len(alone) > 400  # 12 % of 5000
    for row in alone:
        steps = batch.inputs[row].tolist()
        (value,) = (value for value, marker in steps if marker == 1.0)
        assert steps[0][1] == -1.0
        assert abs(steps[0][0]) > 0.0  # there is a value, it only does not count
        assert batch.targets[row].tolist() == pytest.approx([0.5 + value / 4], abs=1e-6)


def test_the_cues_are_the_pairs_with_the_marker_1():
    task = Adding(30)
    batch = task.sample(200, stream(0, "train", 0))
    for row, cues in enumerate(task.cues(batch).tolist()):
        assert cues == [marker == 1.0 for _, marker in batch.inputs[row].tolist()]


def test_how_often_the_very_first_pair_is_marked():
    """1/10 as the early one, 9/10 · 1/49 as the other."""
    batch = Adding(100).sample(20_000, stream(2, "train", 0))
    share = ((batch.inputs[..., 1] == 1).sum(1) == 1).double().mean().item()
    probability = 0.1 + 0.9 / 49
    assert abs(share - probability) < 5 * (probability / 20_000) ** 0.5


def test_the_variance_of_the_target_is_a_24th():
    """(1/16)(1/3 + 1/3), where the very first pair is not marked."""
    batch = Adding(100).sample(100_000, stream(3, "train", 0))
    targets = batch.targets[(batch.inputs[..., 1] == 1).sum(1) == 2]
    assert targets.mean().item() == pytest.approx(0.5, abs=5 * (1 / 24 / 87_000) ** 0.5)
    assert targets.var().item() == pytest.approx(1 / 24, rel=0.02)  # five standard errors: kurtosis 2.4, 87,000 values


def test_loss_and_judgement_by_hand():
    task = Adding(10)
    batch = task.sample(3, stream(0, "train", 0))._replace(targets=torch.tensor([[0.5], [0.3], [0.9]]))
    outputs = torch.tensor([[0.539], [0.341], [0.9]]).logit()
    judged = task.judge(outputs, batch)
    assert judged["acc"].tolist() == [1.0, 0.0, 1.0]
    assert judged["error"].tolist() == pytest.approx([0.039, 0.041, 0.0], abs=1e-6)
    assert task.loss(outputs, batch).item() == pytest.approx((0.039**2 + 0.041**2) / 6, rel=1e-4)


def test_solved_is_2000_right_ones_and_a_small_mean_error():
    task = Adding(10)
    assert task.recent == 2000
    assert task.solved({"recent/acc": 1.0, "recent/error": 0.0099, "val/acc": 0.9})
    assert not task.solved({"recent/acc": 1.0, "recent/error": 0.01})
    assert not task.solved({"recent/acc": 1999 / 2000, "recent/error": 0.001})
    assert not task.solved({"val/acc": 1.0, "val/error": 0.0})  # fewer than 2000 so far


@pytest.mark.parametrize("T", [5, 0, True, 10.0, "60"])
def test_a_sequence_too_short_for_two_pairs_is_refused(T):
    with pytest.raises(ValueError, match="T must be an integer of at least 6 "):
        Adding(T)
