"""The layer of each cell: torch's own layer on padded sequences, and the cell by hand for every cell."""

import pytest
import torch
from torch import nn
from torch.nn.utils.rnn import pack_padded_sequence, pad_packed_sequence

from longlag import layer, layers
from longlag.settings.compose import conf_dir

CELLS = sorted(path.stem for path in (conf_dir() / "cell").glob("*.yaml"))
LENGTHS = [3, 7, 1, 7, 5]
SIZES = {"input_size": 3, "hidden_size": 4}


def inputs(B=5, L=9, I=3):  # noqa: E741
    return torch.randn(B, L, I, dtype=torch.float64, generator=torch.Generator().manual_seed(1))


def tensors(state):
    return [state] if isinstance(state, torch.Tensor) else [tensor for part in state for tensor in tensors(part)]


def copied(theirs):
    """Our layer with the weights of torch's."""
    ours = (layers.LSTM if isinstance(theirs, nn.LSTM) else layers.GRU)(3, 4, num_layers=theirs.num_layers).double()
    with torch.no_grad():
        for k, cell in enumerate(ours.cells):
            w_ih, w_hh, b_ih, b_hh = (
                getattr(theirs, f"{name}_l{k}") for name in ("weight_ih", "weight_hh", "bias_ih", "bias_hh")
            )
            rows = len(cell.W.weight)
            cell.W.weight.copy_(torch.cat([w_hh, w_ih], dim=1)[:rows])
            cell.W.bias.copy_((b_ih + b_hh)[:rows])
            if isinstance(theirs, nn.GRU):
                for part, weight, bias in ((cell.U, w_ih, b_ih), (cell.V, w_hh, b_hh)):
                    part.weight.copy_(weight[rows:])
                    part.bias.copy_(bias[rows:])
    return ours


@pytest.mark.parametrize("engine", ["auto", "eager", "torch"])
@pytest.mark.parametrize("kind", [nn.LSTM, nn.GRU])
@pytest.mark.parametrize("ragged", [True, False])
def test_it_is_the_layer_of_torch(kind, engine, ragged):
    torch.manual_seed(0)
    theirs = kind(**SIZES, num_layers=2, batch_first=True).double()
    ours = copied(theirs)
    ours.engines = layers.LSTM(3, 4, num_layers=2, engine=engine).engines
    x, y = inputs().requires_grad_(), inputs().requires_grad_()
    if ragged:
        packed, end = theirs(pack_padded_sequence(y, LENGTHS, batch_first=True, enforce_sorted=False))
        wanted, _ = pad_packed_sequence(packed, batch_first=True, total_length=9)
        got, (h, c) = ours(x, lengths=torch.tensor(LENGTHS))
    else:
        wanted, end = theirs(y)
        got, (h, c) = ours(x)
    exact = {"rtol": 1e-12, "atol": 1e-12}
    torch.testing.assert_close(got, wanted, **exact)
    for mine, other in zip((h, c), end if kind is nn.LSTM else (end, end), strict=True):
        torch.testing.assert_close(mine, other, **exact)
    for outputs, states in ((got, (h, c)), (wanted, end if kind is nn.LSTM else (end, end))):
        weights = torch.arange(outputs.numel(), dtype=torch.float64).view_as(outputs)
        ((outputs * weights.cos()).sum() + states[0].sum() + 3 * states[1].sum()).backward()
    torch.testing.assert_close(x.grad, y.grad, **exact)
    if ragged:
        assert not x.grad[0, 3:].any()


@pytest.mark.parametrize("name", CELLS)
def test_every_cell_stops_at_the_end_of_each_sequence(name):
    """The cell by hand, one sequence after the other, as long as each is."""
    torch.manual_seed(0)
    module = layer(name, **SIZES, num_layers=2).double()
    x = inputs()
    outputs, state = module(x, lengths=LENGTHS)
    assert outputs.shape == (5, 9, 4)
    for b, n in enumerate(LENGTHS):
        hidden = x[b : b + 1, :n]
        ends = []
        for cell in module.cells:
            s, steps = cell.initial_state(1, dtype=torch.float64), []
            for t in range(n):
                s = cell(hidden[:, t], s)
                steps.append(s[0])
            hidden = torch.stack(steps, dim=1)
            ends.append(s)
        torch.testing.assert_close(outputs[b, :n], hidden[0], rtol=1e-10, atol=1e-12)
        assert not outputs[b, n:].any()
        for k, end in enumerate(ends):
            for mine, other in zip(tensors(state), tensors(end), strict=True):
                part = mine[k, b]
                if part.shape != other[0].shape:  # the cache of attention, as long as the longest sequence
                    assert part[len(other[0]) :].isnan().all()
                    part = part[: len(other[0])]
                torch.testing.assert_close(part, other[0], rtol=1e-10, atol=1e-12)


@pytest.mark.parametrize("name", CELLS)
def test_it_goes_on_from_a_state(name):
    torch.manual_seed(0)
    module = layer(name, **SIZES, num_layers=2).double()
    x = inputs()
    whole, end = module(x)
    first, state = module(x[:, :4])
    second, last = module(x[:, 4:], state)
    torch.testing.assert_close(torch.cat([first, second], dim=1), whole, rtol=1e-10, atol=1e-12)
    for mine, other in zip(tensors(last), tensors(end), strict=True):
        torch.testing.assert_close(mine, other, rtol=1e-10, atol=1e-12)


def test_ragged_sequences_go_on_from_their_own_ends():
    module = layers.LSTM(**SIZES).double()
    x = inputs()
    _, state = module(x, lengths=LENGTHS)
    _, (h, c) = module(x[:, :2], state, lengths=[2, 1, 2, 1, 2])
    for b, (n, more) in enumerate(zip(LENGTHS, [2, 1, 2, 1, 2], strict=True)):
        _, (h_b, c_b) = module(torch.cat([x[b : b + 1, :n], x[b : b + 1, :more]], dim=1))
        torch.testing.assert_close((h[:, b], c[:, b]), (h_b[:, 0], c_b[:, 0]), rtol=1e-12, atol=1e-12)


def test_dropout_is_between_layers_and_in_training_alone():
    module = layers.LSTM(**SIZES, num_layers=2, dropout=1.0).double()
    one = layers.LSTM(**SIZES, num_layers=2).double()
    one.load_state_dict(module.state_dict())
    x = inputs()
    torch.testing.assert_close(module.eval()(x)[0], one(x)[0], rtol=0, atol=0)
    dropped, _ = module.train()(x)
    torch.testing.assert_close(dropped, module(torch.randn_like(x))[0], rtol=0, atol=0)  # nothing of x arrives
    single = layers.LSTM(**SIZES, dropout=1.0).double()
    assert not torch.equal(single(x)[0], single(2 * x)[0])


def test_every_cell_has_a_layer_and_a_name():
    assert sorted(layers._BY_NAME) == CELLS
    assert {kind.__name__ for kind in layers._LAYERS} | {"RecurrentLayer", "layer"} == set(layers.__all__)
    for name in CELLS:
        assert f"{type(layer(name, 2, 4)).__name__}Cell" == type(layer(name, 2, 4).cells[0]).__name__


def test_options_are_those_of_the_cell():
    (cell,) = layers.PeepholeLSTM(2, 4, forget_bias=3.0).cells
    assert cell.gate_bias("f").tolist() == [3.0] * 4
    with pytest.raises(TypeError, match="forget_bais"):
        layers.LSTM(2, 4, forget_bais=3.0)
    assert repr(layers.LSTM(2, 4, num_layers=2)).startswith("LSTM(\n  2, 4, num_layers=2\n")


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: layer("lstm_peephol", 2, 4), "no cell 'lstm_peephol'; did you mean lstm_peephole?"),
        (lambda: layers.LSTM(2, 0), "hidden_size must be a positive integer, got 0"),
        (lambda: layers.LSTM(2, 4, num_layers=0), "num_layers must be a positive integer, got 0"),
        (lambda: layers.LSTM(2, 4, dropout=2), "dropout must be a number of at least 0 and at most 1, got 2"),
        (lambda: layers.LSTM(2, 4, engine="fast"), "engine must be one of"),
        (lambda: layers.LSTM(3, 4)(torch.zeros(5, 3)), r"inputs must be \[B, L, I=3\] .* got \[5, 3\]"),
        (lambda: layers.LSTM(3, 4)(torch.zeros(2, 5, 3), lengths=[5]), "lengths must be B=2 integers from 1 to L=5"),
        (lambda: layers.LSTM(3, 4)(torch.zeros(2, 5, 3), lengths=[5, 0]), r"from 1 to L=5, got \[5, 0\]"),
        (lambda: layers.LSTM(3, 4)(torch.zeros(2, 5, 3), lengths=[5, 6]), r"from 1 to L=5, got \[5, 6\]"),
    ],
)
def test_what_is_wrong_is_named(make, message):
    with pytest.raises(ValueError, match=message):
        make()


@pytest.mark.parametrize("engine", ["auto", "native", "torch", "eager"])
@pytest.mark.parametrize("ragged", [False, True])
def test_outputs_may_be_changed_in_place(engine, ragged):
    torch.manual_seed(0)
    made, x = layer("lstm", 2, 4, engine=engine), torch.randn(3, 6, 2)
    lengths = [6, 2, 4] if ragged else None
    gradients = []
    for activation in (torch.relu, torch.relu_):
        made.zero_grad()
        outputs, _ = made(x, lengths=lengths)
        activation(outputs).square().sum().backward()
        gradients.append([parameter.grad for parameter in made.parameters()])
    assert all(map(torch.equal, *gradients))
