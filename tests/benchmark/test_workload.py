import math

import pytest
import torch

from longlag.benchmark.workload import Size, Workload, relative_error
from longlag.cells import LSTMCell, RNNCell


def test_the_reference_is_backpropagation_by_hand():
    """Two steps of h' = tanh(w h + u x + b) with one unit, and what is sent back to the last h."""
    given = Workload(Size("rnn", H=1, B=1, T=2, I=1), RNNCell)
    w, u = given.cells[0].W.weight.double()[0].tolist()
    b = given.cells[0].W.bias.double().item()
    x, back = given.x[0, 0, :, 0].double().tolist(), given.back.double().item()
    h1 = math.tanh(u * x[0] + b)
    h2 = math.tanh(w * h1 + u * x[1] + b)
    z2 = back * (1 - h2**2)
    z1 = z2 * w * (1 - h1**2)
    found = given.reference(0)
    assert found["x"].flatten().tolist() == pytest.approx([z1 * u, z2 * u], rel=1e-12)
    assert found["W.weight"].flatten().tolist() == pytest.approx([z2 * h1, z1 * x[0] + z2 * x[1]], rel=1e-12)
    assert found["W.bias"].item() == pytest.approx(z1 + z2, rel=1e-12)


def test_runs_have_weights_and_sequences_of_their_own_and_a_seed_gives_the_same_again():
    size = Size("lstm", H=3, B=2, T=4, R=2)
    first, again, other = Workload(size, LSTMCell), Workload(size, LSTMCell), Workload(size, LSTMCell, seed=1)
    weights = [given.cells[run].W.weight for given in (first, again, other) for run in (0, 1)]
    assert torch.equal(weights[0], weights[2])
    assert torch.equal(first.x, again.x)
    assert torch.equal(first.back, again.back)
    assert not torch.equal(weights[0], weights[1])
    assert not torch.equal(weights[0], weights[4])
    assert not torch.equal(first.x[0], first.x[1])
    assert first.checked_runs() == [0, 1]
    assert Workload(Size("lstm", H=3, B=2, T=4), LSTMCell).checked_runs() == [0]


def test_drawing_leaves_the_global_generator_alone():
    torch.manual_seed(5)
    Workload(Size("lstm", H=3, B=2, T=4), LSTMCell)
    drawn = torch.rand(1)
    torch.manual_seed(5)
    assert torch.equal(drawn, torch.rand(1))


def test_the_error_is_that_of_the_worst_tensor():
    wanted = {"x": torch.tensor([3.0, 4.0]).double(), "W": torch.tensor([100.0]).double(), "p": torch.zeros(2).double()}
    found = {"x": torch.tensor([3.0, 4.5]), "W": torch.tensor([101.0]), "p": torch.zeros(2)}
    assert relative_error(found, wanted) == pytest.approx(0.5 / 5)
    assert relative_error({**found, "p": torch.tensor([0.0, 0.25])}, wanted) == pytest.approx(0.25)
    assert relative_error(wanted, wanted) == 0.0
    assert math.isnan(relative_error({**found, "x": torch.tensor([math.nan, 0.0])}, wanted))


def test_other_tensors_than_wanted_have_no_error():
    wanted = {"x": torch.zeros(2)}
    for found in ({"x": torch.zeros(1, 2)}, {"y": torch.zeros(2)}, {}):
        with pytest.raises(ValueError, match="are wanted"):
            relative_error(found, wanted)
