import pytest
import torch

from longlag.cells import LSTMCell, RNNCell
from longlag.model import SequenceModel


def test_padding_changes_no_output():
    torch.manual_seed(0)
    model = SequenceModel(LSTMCell(2, 4), 3)
    x = torch.randn(2, 6, 2)
    short = model(x[:1, :4])
    padded = torch.cat([x[:1, :4], torch.full((1, 2, 2), 1e6)], dim=1)
    together = model(torch.cat([padded, x[1:]]), torch.tensor([4, 6]))
    torch.testing.assert_close(together[:1], short, rtol=1e-6, atol=1e-7)  # another batch size, another summation order
    torch.testing.assert_close(together[1:], model(x[1:]), rtol=1e-6, atol=1e-7)


def test_every_step_can_be_read():
    torch.manual_seed(0)
    model = SequenceModel(RNNCell(2, 4), 3, readout="every")
    x = torch.randn(2, 6, 2)
    outputs = model(x)
    assert outputs.shape == (2, 6, 3)
    model.reads = "last"
    for t in range(6):
        torch.testing.assert_close(outputs[:, t], model(x[:, : t + 1]), rtol=1e-6, atol=1e-7)


def test_a_readout_that_is_none_of_the_two_is_refused():
    with pytest.raises(ValueError, match="readout must be 'last' or 'every', got 'first'"):
        SequenceModel(RNNCell(2, 4), 3, readout="first")


def test_a_seed_gives_the_weights_of_the_plain_exercise():
    torch.manual_seed(7)
    W, out = torch.nn.Linear(34, 128), torch.nn.Linear(32, 2)
    with torch.no_grad():
        W.bias[32:64].fill_(1.0)
    torch.manual_seed(7)
    model = SequenceModel(LSTMCell(2, 32), 2)
    assert torch.equal(model.cells[0].W.weight, W.weight)
    assert torch.equal(model.cells[0].W.bias, W.bias)
    assert torch.equal(model.readout.weight, out.weight)
    assert torch.equal(model.readout.bias, out.bias)
