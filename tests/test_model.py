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


def stack(x, cells, residual=False, masks=None):
    """A stack written out: the first cell over the whole sequence, then the next over what it gave."""
    for k, cell in enumerate(cells):
        read = x if k == 0 or masks is None else x * masks[k - 1]
        state, given = cell.initial_state(len(x)), []
        for t in range(x.shape[1]):
            state = cell(read[:, t], state)
            given.append(state[0])
        hidden = torch.stack(given, dim=1)
        x = hidden + read if residual and k > 0 else hidden
    return x


@pytest.mark.parametrize("residual", [False, True])
@pytest.mark.parametrize("readout", ["last", "every"])
def test_a_stack_of_any_cells(residual, readout):
    torch.manual_seed(0)
    cells = [LSTMCell(2, 4), RNNCell(4, 4), LSTMCell(4, 4)]
    model = SequenceModel(cells, 3, readout=readout, residual=residual, engine="eager")
    x = torch.randn(5, 6, 2)
    top = stack(x, cells, residual)
    expected = model.readout(top if readout == "every" else top[:, -1])
    assert torch.equal(model(x), expected)
    short = torch.tensor([6, 2, 3, 1, 6])
    if readout == "last":
        assert torch.equal(model(x, short), model.readout(top[torch.arange(5), short - 1]))
    model(x).sum().backward()
    assert all(p.grad is not None and bool(p.grad.any()) for cell in cells for p in cell.parameters())


def test_dropout_is_between_the_layers_and_only_with_a_generator():
    torch.manual_seed(0)
    cells = [LSTMCell(2, 40), LSTMCell(40, 40)]
    model = SequenceModel(cells, 3, dropout=0.25, engine="eager")
    x = torch.randn(50, 6, 2)
    assert torch.equal(model(x), model.readout(stack(x, cells)[:, -1]))
    kept = torch.rand(50, 6, 40, generator=torch.Generator().manual_seed(1)) >= 0.25
    assert kept.float().mean().item() == pytest.approx(0.75, abs=0.02)  # 5 standard errors of 12,000 units
    dropped = model(x, generator=torch.Generator().manual_seed(1))
    torch.testing.assert_close(
        dropped, model.readout(stack(x, cells, masks=[kept / 0.75])[:, -1]), rtol=1e-6, atol=1e-6
    )
    single = SequenceModel(LSTMCell(2, 4), 3, dropout=0.5)
    assert torch.equal(single(x, generator=torch.Generator().manual_seed(1)), single(x))


def test_the_readout_may_have_no_bias():
    model = SequenceModel(RNNCell(2, 4), 3, readout_bias=False)
    assert [name for name, _ in model.readout.named_parameters()] == ["weight"]


@pytest.mark.parametrize("dropout", [-0.1, 1.0, True, "0.1"])
def test_a_dropout_that_is_no_probability_is_refused(dropout):
    with pytest.raises(ValueError, match="dropout must be at least 0 and less than 1"):
        SequenceModel(RNNCell(2, 4), 3, dropout=dropout)


def test_layers_that_do_not_fit_are_refused():
    with pytest.raises(ValueError, match="a layer of 4 units cannot stand on one of 5"):
        SequenceModel([RNNCell(2, 5), RNNCell(4, 4)], 3)
    with pytest.raises(ValueError, match="a layer of 4 units cannot stand on one of 5"):
        SequenceModel([RNNCell(2, 5), RNNCell(5, 4)], 3, residual=True)


@pytest.mark.parametrize("readout", ["last", "every"])
def test_outputs_may_read_the_inputs_of_their_step_too(readout):
    torch.manual_seed(0)
    model = SequenceModel(LSTMCell(3, 4), 2, readout, engine="eager", shortcut=True, readout_range=0.5)
    plain = SequenceModel(model.cells[0], 2, readout, engine="eager")
    plain.readout = model.readout
    x, lengths = torch.randn(5, 7, 3), torch.tensor([7, 3, 1, 7, 5])
    read = x if readout == "every" else x[torch.arange(5), lengths - 1]
    assert torch.equal(model(x, lengths), plain(x, lengths) + read @ model.shortcut.weight.T)
    parts = [*model.readout.parameters(), *model.shortcut.parameters()]
    assert 0.3 < max(part.abs().max() for part in parts) <= 0.5


@pytest.mark.parametrize(("option", "value"), [("shortcut", 1), ("readout_range", 0), ("readout_range", "wide")])
def test_a_wrong_start_or_shortcut_of_the_outputs_is_refused(option, value):
    with pytest.raises(ValueError, match=f"{option} must be"):
        SequenceModel(LSTMCell(3, 4), 2, **{option: value})
