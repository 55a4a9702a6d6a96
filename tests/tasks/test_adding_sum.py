import pytest
import torch
from longlag.tasks.adding_sum import AddingSum

from longlag.task import stream


@pytest.mark.parametrize("T", [2, 7, 100])
def test_targets_are_the_sum_of_a_marked_value_in_each_half(T):
    batch = AddingSum(T).sample(3000, stream(0, "train", 0))
    places = []
    for row in range(3000):
        steps = batch.inputs[row].tolist()
        assert all(0 <= value <= 1 for value, _ in steps)
        assert {marker for _, marker in steps} <= {0.0, 1.0}
        marked = [t for t in range(T) if steps[t][1] == 1.0]
        assert len(marked) == 2
        assert marked[0] < T // 2 <= marked[1]
        places.append(marked)
        assert batch.lengths[row] == T
        assert batch.mask[row].tolist() == [t == T - 1 for t in range(T)]
        assert batch.targets[row].tolist() == pytest.approx([steps[marked[0]][0] + steps[marked[1]][0]])
    assert {place[0] for place in places} == set(range(T // 2))
    assert {place[1] for place in places} == set(range(T // 2, T))


def test_values_and_places_are_uniform():
    """Values have mean 1/2 and variance 1/12; the sum of two has 1/6. Of T=20, each half has ten places."""
    n = 20_000
    batch = AddingSum(20).sample(n, stream(1, "train", 0))
    values = batch.inputs[..., 0].double()
    assert abs(values.mean().item() - 1 / 2) < 5 * (1 / 12 / values.numel()) ** 0.5
    assert abs(values.var().item() - 1 / 12) < 5 * (1 / 180 / values.numel()) ** 0.5  # 1/80 − 1/144, of (x − ½)²
    assert abs(batch.targets.double().var().item() - 1 / 6) < 5 * (7 / 180 / n) ** 0.5  # 1/15 − 1/36, of (s − 1)²
    counts = (batch.inputs[..., 1] == 1).sum(0)
    assert (abs(counts - n / 10) < 5 * (n * 0.09) ** 0.5).all()


def test_the_loss_is_the_whole_squared_error_of_a_linear_unit():
    task = AddingSum(10)
    batch = task.sample(2, stream(0, "train", 0))._replace(targets=torch.tensor([[1.5], [0.3]]))
    outputs = torch.tensor([[1.539], [0.341]])
    assert task.loss(outputs, batch).item() == pytest.approx((0.039**2 + 0.041**2) / 2, rel=1e-4)
    assert task.judge(outputs, batch)["acc"].tolist() == [1.0, 0.0]


def test_solved_is_99_percent():
    assert AddingSum(10).solved({"val/acc": 0.99})
    assert not AddingSum(10).solved({"val/acc": 0.9899})


def test_the_cues_are_the_marked_steps():
    task = AddingSum(4)
    batch = task.sample(3, stream(0, "train", 0))
    assert torch.equal(task.cues(batch), batch.inputs[..., 1] == 1)


@pytest.mark.parametrize("T", [1, 0, True, 2.5, "60"])
def test_a_sequence_without_two_halves_is_refused(T):
    with pytest.raises(ValueError, match="T must be an integer of at least 2"):
        AddingSum(T)
