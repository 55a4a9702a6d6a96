import math

import pytest
import torch
from longlag.tasks.latch import Latch

from longlag.audit.guessing import RANGE, GuessedNets, guess


def test_each_net_is_a_fully_recurrent_one():
    """Net 1 of 3 against the equations, written out for one sequence."""
    nets = GuessedNets(3, input_size=2, output_size=1, units=2, generator=torch.Generator().manual_seed(0))
    x, lengths = torch.randn(4, 5, 2, generator=torch.Generator().manual_seed(1)), torch.tensor([5, 3, 5, 1])
    outputs = nets(x, lengths, every=True)
    assert outputs.shape == (3, 4, 5, 1)
    W, U, b, V, c = (w[1].tolist() for w in (nets.recurrent, nets.inwards, nets.bias, nets.outwards, nets.threshold))
    h = [0.0, 0.0]
    for t in range(5):
        net = [b[0][j] + sum(h[i] * W[i][j] + x[0, t, i].item() * U[i][j] for i in range(2)) for j in range(2)]
        h = [1 / (1 + math.exp(-min(max(z, -500), 500))) for z in net]
        wanted = c[0][0] + sum(h[j] * V[j][0] for j in range(2))
        assert outputs[1, 0, t, 0].item() == pytest.approx(wanted, abs=1e-3)
    last = nets(x, lengths, every=False)
    assert torch.allclose(last[2, 1], outputs[2, 1, 2])
    assert torch.allclose(nets.one(2)(x, lengths, every=False)[0], last[2])


def test_weights_are_uniform_over_the_published_range():
    nets = GuessedNets(4000, 1, 1, 2, torch.Generator().manual_seed(0))
    weights = nets.recurrent.flatten()
    assert weights.abs().max() <= RANGE
    assert abs(weights.mean().item()) < 2.5  # its standard error is 0.46
    assert weights.std().item() == pytest.approx(RANGE / 3**0.5, rel=0.03)


def test_guessing_solves_the_latch_problem():
    """As the papers that warn of it say; and the net that passed is examined on sequences of its own."""
    task = Latch(20)
    examined = []

    def examine(net):
        fresh = task.draw("val", 0, 500)
        accuracy = task.judge(net(fresh.inputs, fresh.lengths, every=False)[0], fresh)["acc"].mean().item()
        examined.append(accuracy)
        return accuracy, accuracy >= 0.99

    found = guess(task, task.draw("probe", 1, 16), examine, guesses=10_000)
    assert found.passed
    assert found.tried < 10_000
    assert found.accuracy == examined[-1] >= 0.99


def test_without_a_net_that_passes_all_are_tried_and_the_best_is_told():
    task = Latch(20)
    accuracies = iter([0.3, 0.6, 0.4, *[0.1] * 1000])
    found = guess(task, task.draw("probe", 1, 16), lambda net: (next(accuracies), False), guesses=250)
    assert (found.tried, found.passed) == (250, False)
    assert found.accuracy == 0.6
