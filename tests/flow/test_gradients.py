import pytest
import torch

from longlag.cells import Cell, LSTMCell
from longlag.flow import gradients as module
from longlag.flow.error_flow import error_flow
from longlag.flow.gradients import both_gradients, gradients
from longlag.model import SequenceModel
from longlag.task import Batch


class Doubled(torch.autograd.Function):
    """An operation that knows nothing of batches of gradients."""

    @staticmethod
    def forward(ctx, x):
        return 2 * x

    @staticmethod
    def backward(ctx, grad):
        if grad.abs().sum().item() < 0:  # a look at the numbers, which no batch of gradients allows
            raise AssertionError
        return 2 * grad


def test_there_are_zeros_where_there_is_no_way():
    x, y, z = (torch.ones(3, requires_grad=k < 2) for k in range(3))
    found = gradients([x.square().sum()], [x, y, z])
    assert [grad.tolist() for grad in found] == [[2.0] * 3, [0.0] * 3, [0.0] * 3]
    found = gradients([x.square()], [x, y, z], [torch.tensor([[1.0, 0, 0], [0, 0, 5.0]])], batched=True)
    assert [grad.tolist() for grad in found] == [[[2, 0, 0], [0, 0, 10]], [[0] * 3] * 2, [[0] * 3] * 2]


@pytest.mark.parametrize("limit", [0, 2**24])
@pytest.mark.parametrize("operation", [torch.tanh, Doubled.apply])
def test_in_one_pass_or_two_they_are_the_same(monkeypatch, limit, operation):
    monkeypatch.setattr(module, "_AT_ONCE", limit)
    x = torch.randn(4, 3, dtype=torch.float64, requires_grad=True)
    y = operation(x) * x
    errors = (torch.randn(4, 3, dtype=torch.float64), torch.ones(4, 3, dtype=torch.float64))
    first, second = both_gradients(y, errors, [x])
    for found, error in ((first, errors[0]), (second, errors[1])):
        (expected,) = torch.autograd.grad(y, x, error, retain_graph=True)
        torch.testing.assert_close(found[0], expected, rtol=1e-14, atol=0)


def batch_of(L):
    mask = torch.zeros(2, L, dtype=torch.bool)
    mask[:, -1] = True
    return Batch(torch.randn(2, L, 2), torch.zeros(2), torch.tensor([L, L]), mask)


def test_a_cell_with_such_an_operation_has_an_error_flow():
    class Odd(LSTMCell):
        def forward(self, x, state):
            return super().forward(Doubled.apply(x), state)

    torch.manual_seed(0)
    odd = SequenceModel(Odd(2, 4), 2)
    plain = SequenceModel(LSTMCell(2, 4), 2)
    plain.load_state_dict(odd.state_dict())
    batch = batch_of(6)
    twice = batch._replace(inputs=2 * batch.inputs)
    flow, other = (error_flow(*given, lambda y, _: y.sum(1).mean()) for given in ((odd, batch), (plain, twice)))
    torch.testing.assert_close(flow.layers[0]["dc"], other.layers[0]["dc"])
    torch.testing.assert_close(10 ** flow.layers[0]["dx"], 2 * 10 ** other.layers[0]["dx"])


def test_a_cell_whose_first_state_depends_on_no_input_has_an_error_flow():
    class Delay(Cell):
        has_cell_state = True

        def forward(self, x, state):
            return state[1], x

    flow = error_flow(SequenceModel(Delay(2, 2), 2), batch_of(5), lambda y, _: y.sum(1).mean())
    assert flow.layers[0]["dx"].isfinite().tolist() == [[False] * 2, [True] * 2, *[[False] * 2] * 3]
