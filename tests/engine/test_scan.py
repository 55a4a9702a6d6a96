import pytest
import torch

from longlag.cells import LSTMCell
from longlag.cells.linear import LinearCell
from longlag.cells.lru import LRUCell
from longlag.cells.min_gru import MinGRUCell
from longlag.cells.min_lstm import MinLSTMCell
from longlag.engine import Scan, eager, engine_for, scan
from longlag.model import SequenceModel


class LeakyCell(LinearCell):
    """A reader's own: one decay for all memories, more memories than hidden units, a start that is not zero."""

    def __init__(self, input_size, hidden_size):
        super().__init__(input_size, hidden_size)
        self.decay = torch.nn.Parameter(torch.tensor(0.7))
        self.start = torch.nn.Parameter(torch.randn(2 * hidden_size))
        self.W = torch.nn.Linear(input_size, 2 * hidden_size)

    def affine(self, x):
        return self.decay, self.W(x)

    def read(self, m, x):
        return torch.tanh(m[..., : self.hidden_size] * m[..., self.hidden_size :]) + x.sum(-1, keepdim=True)

    def initial_state(self, batch_size, device=None, dtype=None):
        h = torch.zeros(batch_size, self.hidden_size, device=device, dtype=dtype)
        return h, self.start.expand(batch_size, -1)


def lru(input_size, hidden_size):
    return LRUCell(input_size, hidden_size, state_size=4, gelu=True)


CELLS = [MinLSTMCell, MinGRUCell, lru, LeakyCell]


def parts(cell, unroll, x, m, weights):
    """Outputs, final state, and the gradients of a sum of them all: by the inputs, the memory given and the weights."""
    x = x.clone().requires_grad_()
    leaves, state = [x, *cell.parameters()], None
    if m is not None:
        m = m.clone().requires_grad_()
        h = torch.full((len(x), cell.hidden_size), 7.0, dtype=x.dtype)  # is not read
        leaves, state = [*leaves, m], (h if cell.has_cell_state else m, m)
    outputs, (h, c) = unroll(cell, x, state)
    loss = (outputs * weights).sum() + (h * h).sum() + torch.view_as_real(c * (1 + 2j)).sum()
    gradients = torch.autograd.grad(loss, leaves, allow_unused=True)
    return [outputs, h, c, *(g for g in gradients if g is not None)]


@pytest.mark.parametrize("given", [False, True], ids=["from the start", "from a state"])
@pytest.mark.parametrize("T", [1, 2, 7, 8, 100, 1000])
@pytest.mark.parametrize("dtype", [torch.float64, torch.float32], ids=["float64", "float32"])
@pytest.mark.parametrize("make", CELLS)
def test_it_gives_what_the_loop_gives(make, dtype, T, given):
    torch.manual_seed(0)
    cell = make(2, 5).to(dtype)
    x, weights = torch.randn(3, T, 2, dtype=dtype), torch.randn(3, T, 5, dtype=dtype)
    m = torch.randn_like(cell.memory(cell.initial_state(3, dtype=dtype))) if given else None
    ours, wanted = (parts(cell, unroll, x, m, weights) for unroll in (Scan().unroll, eager.unroll))
    assert len(ours) == len(wanted)
    # Up to T roundings follow each other in the loop, log₂ T in the scan; λᵏ gathers up to k of them either way
    bound = 1e-12 if dtype is torch.float64 else 1e-5
    for got, want in zip(ours, wanted, strict=True):
        assert got.dtype is want.dtype
        assert got.shape == want.shape
        assert (got - want).norm() <= bound * want.norm()


@pytest.mark.parametrize("make", CELLS)
@pytest.mark.parametrize("cut", [1, 4, 8])
def test_a_split_sequence_gives_what_the_whole_one_gives(make, cut):
    torch.manual_seed(0)
    cell = make(2, 3).double()
    x = torch.randn(4, 9, 2, dtype=torch.float64)
    whole, end = Scan().unroll(cell, x)
    first, middle = Scan().unroll(cell, x[:, :cut])
    second, split_end = Scan().unroll(cell, x[:, cut:], middle)
    torch.testing.assert_close(torch.cat([first, second], dim=1), whole, rtol=1e-13, atol=1e-14)
    torch.testing.assert_close(split_end, end, rtol=1e-13, atol=1e-14)


def test_a_cell_without_a_memory_of_its_own_gets_its_hidden_state_twice():
    outputs, (h, c) = Scan().unroll(MinLSTMCell(2, 3), torch.randn(4, 9, 2))
    assert h is c
    assert torch.equal(outputs[:, -1], h)


@pytest.mark.parametrize("backwards", [False, True])
@pytest.mark.parametrize("batch", [2, 1])
@pytest.mark.parametrize("dtype", [torch.float64, torch.complex128])
@pytest.mark.parametrize("T", [1, 2, 4, 5])
def test_the_recurrence_has_first_and_second_derivatives(T, dtype, batch, backwards):
    torch.manual_seed(0)
    links = torch.randn(T - 1, batch, 3, dtype=dtype, requires_grad=True)
    b = torch.randn(T, 2, 3, dtype=dtype, requires_grad=True)
    assert torch.autograd.gradcheck(lambda *args: scan.linear_recurrence(*args, backwards), (links, b))
    assert torch.autograd.gradgradcheck(lambda *args: scan.linear_recurrence(*args, backwards), (links, b))


def test_gates_that_are_shut_or_open_all_the_way_are_exact():
    """A product of gates that underflows is never divided by: every value and gradient stays finite, and right."""
    links = torch.tensor([0.0, 1.0, 1e-38, 1e-38, 1.0, 0.0, 1.0])[:, None, None].requires_grad_()
    b = torch.arange(1.0, 9.0)[:, None, None].requires_grad_()
    m = scan.linear_recurrence(links, b)
    assert m.flatten().tolist() == [1, 2, 5, 4, 5, 11, 7, 15]
    m.sum().backward()
    assert b.grad.flatten().tolist() == [1, 2, 1, 1, 2, 1, 2, 1]
    assert links.grad.flatten().tolist() == [2 * 1, 1 * 2, 1 * 5, 2 * 4, 1 * 5, 2 * 11, 1 * 7]


@pytest.mark.parametrize("make", [MinLSTMCell, lru])
def test_a_population_runs_at_once(make):
    """Under vmap over the weights of two cells the scan gives what it gives for each alone."""
    torch.manual_seed(0)
    cells = [make(2, 3).double() for _ in range(2)]
    weights, _ = torch.func.stack_module_state(cells)
    x = torch.randn(4, 9, 2, dtype=torch.float64)
    model = SequenceModel(cells[0], 1, engine="scan").double()

    def loss(values, x):
        outputs = torch.func.functional_call(model, {f"cells.0.{k}": v for k, v in values.items()}, (x,))
        return outputs.square().sum()

    together = torch.func.vmap(torch.func.grad(loss), in_dims=(0, None))(weights, x)
    for k, cell in enumerate(cells):
        alone = torch.func.grad(loss)({name: p.detach() for name, p in cell.named_parameters()}, x)
        for name, gradient in alone.items():
            torch.testing.assert_close(together[name][k], gradient, rtol=1e-12, atol=1e-14)


def test_the_products_are_taken_in_the_type_of_the_memory():
    """Under autocast the gates are bfloat16 and the loop's memory is not: neither is that of the scan."""
    torch.manual_seed(0)
    cell, x = MinGRUCell(2, 3, forget_bias=5.0), torch.randn(4, 200, 2)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        ours, wanted = Scan().unroll(cell, x)[0], eager.unroll(cell, x)[0]
    assert ours.dtype is wanted.dtype is torch.float32
    torch.testing.assert_close(ours, wanted, rtol=1e-4, atol=1e-5)  # bfloat16 would be 1e-2 off


def test_only_cells_that_are_linear_in_their_state_are_run():
    message = r"^engine=scan runs the cells derived from LinearCell; LSTMCell is not one \(engine=eager runs it\)$"
    with pytest.raises(ValueError, match=message):
        engine_for("scan", LSTMCell(2, 3))
    assert engine_for("scan", LeakyCell(2, 3)).name == "scan"


def test_a_cell_with_a_step_of_its_own_is_refused():
    class Clipped(MinGRUCell):
        def forward(self, x, state):
            h, _ = super().forward(x, state)
            return h.clamp(-1, 1), h.clamp(-1, 1)

    with pytest.raises(ValueError, match="Clipped has a forward of its own"):
        engine_for("scan", Clipped(2, 3))
