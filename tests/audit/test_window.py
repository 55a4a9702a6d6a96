import torch
from longlag.tasks.delayed_xor import DelayedXOR

from longlag.audit.window import WindowModel, trained_window
from longlag.task import Splits


def test_it_sees_the_last_steps_and_no_others():
    """Its output at each step changes with the inputs of that step and the k − 1 before, and with nothing else."""
    torch.manual_seed(0)
    model = WindowModel(2, 3, k=3, readout="every")
    x = torch.randn(1, 8, 2)
    before = model(x, torch.tensor([8]))
    changed = x.clone()
    changed[0, 4] += 1.0
    same = torch.isclose(model(changed, torch.tensor([8])), before).all(-1)[0].tolist()
    assert same == [True] * 4 + [False] * 3 + [True]


def test_the_last_valid_step_is_where_it_reads():
    torch.manual_seed(0)
    every = WindowModel(2, 3, k=4, readout="every")
    last = WindowModel(2, 3, k=4, readout="last")
    last.load_state_dict(every.state_dict())
    x, lengths = torch.randn(2, 6, 2), torch.tensor([3, 6])
    outputs = every(x, lengths)
    assert torch.allclose(last(x, lengths), torch.stack([outputs[0, 2], outputs[1, 5]]))


def test_a_window_that_holds_the_bits_is_enough_for_xor_and_one_that_does_not_is_not():
    task = DelayedXOR(6, splits=Splits(train_size=None))
    fresh = task.draw("val", 0, 512)
    accuracies = []
    for k in (6, 4):
        model = trained_window(task, k, steps=600, batch_size=64)
        with torch.no_grad():
            accuracies.append(task.judge(model(fresh.inputs, fresh.lengths), fresh)["acc"].mean().item())
    assert accuracies[0] > 0.95
    assert accuracies[1] < 0.61  # chance and five standard errors


def test_training_leaves_the_global_generator_alone():
    task = DelayedXOR(6)
    torch.manual_seed(5)
    expected = torch.rand(1)
    torch.manual_seed(5)
    trained_window(task, 2, steps=1, batch_size=4)
    assert torch.equal(torch.rand(1), expected)
