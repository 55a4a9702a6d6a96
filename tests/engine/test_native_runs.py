"""A population of runs, or several threads, change no bit of what a run gives alone."""

import subprocess
import sys

import pytest
import torch
from native_cells import CELLS, busy, flat, nested, reads_gates

from longlag.cells import GRUCell, LSTMCell
from longlag.engine import Native
from longlag.engine.native import autograd
from longlag.engine.native.build import team


@pytest.fixture
def threads():
    """Set the number of threads; afterwards it is what it was."""
    before = torch.get_num_threads()
    yield torch.set_num_threads
    torch.set_num_threads(before)


def population(name, R, B, T, dtype=torch.float32, shared=False, with_state=False):
    """R cells, inputs [R, B, T, I], the parts of the state [R, B, H] and gradients of hidden and of those."""
    cells = [busy(name, 3, 7, seed).to(dtype) for seed in range(R)]
    H = cells[0].hidden_size
    draws = torch.Generator().manual_seed(0)
    state = [(R, B, H), (R, B, H), *([(R, B, cells[0].n_gates)] if reads_gates(cells[0]) else [])]
    shapes = ((1 if shared else R, B, T, 3), (R, B, T, H), *state, *state)
    x, back, *others = (torch.randn(shape, generator=draws).to(dtype) for shape in shapes)
    backs, start = others[: len(state)], others[len(state) :]
    return cells, x.expand(R, -1, -1, -1), (tuple(start) if with_state else None), [back, *backs]


def all_parts(cells, x, state, backs):
    """What a population gives, [R, …] each: the outputs, and the gradients of inputs, states and all parameters."""
    x = x.requires_grad_() if x.is_leaf else x.detach().requires_grad_()
    own = cells[0].has_cell_state
    leaves = [x]
    if state is not None:
        leaves += [part.detach().clone().requires_grad_() for part in (state if own else state[:1])]
        state = nested(cells[0], *leaves[1:], *([] if own else leaves[1:]))
    hidden, end = Native().unroll_runs(cells, x, state)
    given = [hidden, *flat(end)]
    parameters = [parameter for cell in cells for parameter in cell.parameters()]
    found = torch.autograd.grad(given, [*leaves, *parameters], backs, allow_unused=True)
    count = len(found[len(leaves) :]) // len(cells)
    of_parameters = [torch.stack(found[len(leaves) + k :: count]) for k in range(count)]
    outputs = [part.detach() for part in given]
    return [*outputs, *(part for part in found[: len(leaves)] if part is not None), *of_parameters]


def alone(cells, x, state, backs):
    """The same, by one run after another."""
    runs = [
        all_parts(
            [cell],
            x[k : k + 1].clone(),
            None if state is None else tuple(part[k : k + 1] for part in state),
            [back[k : k + 1] for back in backs],
        )
        for k, cell in enumerate(cells)
    ]
    return [torch.cat(parts) for parts in zip(*runs, strict=True)]


def assert_same_bits(got, wanted):
    assert len(got) == len(wanted)
    assert all(torch.equal(*pair) for pair in zip(got, wanted, strict=True))


@pytest.mark.parametrize("shared", [False, True], ids=["inputs of its own", "one input for all"])
@pytest.mark.parametrize("R", [1, 3, 16])
@pytest.mark.parametrize("name", CELLS)
def test_each_run_gives_the_bits_that_it_gives_alone(name, R, shared):
    given = population(name, R, B=37, T=6, shared=shared, with_state=R == 3)
    assert given[1].stride(0) == (0 if shared and R > 1 else given[1][0].numel())
    assert_same_bits(all_parts(*given), alone(*given))


@pytest.mark.parametrize("name", ["lstm_peephole", "gru"])
def test_in_float64_too(name):
    given = population(name, 3, B=37, T=6, dtype=torch.float64, with_state=True)
    assert_same_bits(all_parts(*given), alone(*given))


def test_a_run_alone_is_the_engine_on_its_cell():
    cells, x, state, _ = population("lstm", 3, B=37, T=6, with_state=True)
    hidden, (h, c) = Native().unroll_runs(cells, x, state)
    for k, cell in enumerate(cells):
        one, (one_h, one_c) = Native().unroll(cell, x[k], (state[0][k], state[1][k]))
        assert_same_bits((hidden[k], h[k], c[k]), (one, one_h, one_c))


def test_inputs_that_all_share_get_the_sum_of_the_gradients():
    cells, x, _, (back, *_) = population("lstm", 3, B=37, T=6, shared=True)
    x = x[0].clone().requires_grad_()
    hidden, _ = Native().unroll_runs(cells, x.expand(3, -1, -1, -1))
    (got,) = torch.autograd.grad(hidden, x, back)
    each = [torch.autograd.grad(Native().unroll(cell, x)[0], x, one)[0] for cell, one in zip(cells, back, strict=True)]
    torch.testing.assert_close(got, sum(each), rtol=1e-6, atol=1e-6)  # three numbers, added up in some order


@pytest.mark.parametrize("whose", ["PyTorch's", "its own"])
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize(("R", "B"), [(1, 1), (1, 37), (1, 600), (3, 90), (16, 5)])
@pytest.mark.parametrize("name", ["lstm_peephole", "gru"])
def test_the_number_of_threads_changes_no_bit(name, R, B, dtype, whose, threads, monkeypatch):
    """With fewer blocks of sequences than threads, a few, and more than there are sums of the gradient."""
    if whose == "its own":
        monkeypatch.setattr(autograd, "team", lambda: None)
    given = population(name, R, B, T=6, dtype=dtype, with_state=True)
    threads(1)
    wanted = all_parts(*given)
    for count in (2, 2, 5):
        threads(count)
        assert_same_bits(all_parts(*given), wanted)


@pytest.mark.skipif(team() is None, reason="PyTorch has no OpenMP of GNU's here")
def test_the_threads_are_those_of_pytorch():
    """There is one OpenMP in the process, and as many threads as PyTorch alone has."""
    told = (
        "import sys, torch\n"
        "from pathlib import Path\n"
        "from longlag.cells import LSTMCell\n"
        "from longlag.engine import Native\n"
        "torch.set_num_threads(3)\n"
        "def seen():\n"
        "    maps = Path('/proc/self/maps').read_text().split()\n"
        "    return len(list(Path('/proc/self/task').iterdir())), len({word for word in maps if 'libgomp' in word})\n"
        "big = torch.randn(999, 999)\n"
        "big.exp(), big @ big\n"
        "before = seen()\n"
        "hidden, _ = Native().unroll(LSTMCell(2, 8), torch.randn(900, 20, 2))\n"
        "hidden.sum().backward()\n"
        "print(before == seen(), before[1])\n"
    )
    said = subprocess.run([sys.executable, "-c", told], capture_output=True, text=True, check=True)
    assert said.stdout == "True 1\n"


def test_cells_of_different_kinds_are_refused():
    lstm, gru = LSTMCell(3, 7), GRUCell(3, 7)
    x = torch.randn(2, 5, 6, 3)
    truncated, full = (CELLS[name](3, 7) for name in ("lstm_forget_2000", "lstm_forget_2000-full"))
    for cells in ([lstm, gru], [lstm, LSTMCell(3, 8)], [truncated, full]):
        with pytest.raises(ValueError, match=r"^engine=native runs cells of one kind and shape at once$"):
            Native().unroll_runs(cells, x)


def test_as_many_inputs_as_cells_are_wanted():
    with pytest.raises(ValueError, match=r"wants inputs \[R=2, B, T, I=3\] of at least one step; got \[3, 5, 6, 3\]"):
        Native().unroll_runs([LSTMCell(3, 7), LSTMCell(3, 7)], torch.randn(3, 5, 6, 3))
