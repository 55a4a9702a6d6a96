"""The native engine at shapes and layouts of all kinds: whatever is not a multiple of a vector, or not dense."""

import copy
import random

import pytest
import torch
from native_cells import CELLS, assert_parity, busy, errors, given, parts

from longlag.cells import LSTMCell
from longlag.engine import Native
from longlag.engine.native import buffers

#: How inputs [B, T, I] may lie in memory.
LAYOUTS = {
    "dense": lambda x: x,
    "from an odd address on": lambda x: torch.cat([x.new_zeros(1), x.flatten()])[1:].view(x.shape),
    "every other sequence": lambda x: x.repeat_interleave(2, dim=0)[::2],
    "every third step": lambda x: x.repeat_interleave(3, dim=1)[:, ::3],
    "a part of the inputs": lambda x: torch.cat([x, x, x], dim=2)[:, :, x.shape[2] : 2 * x.shape[2]],
    "every other input": lambda x: x.repeat_interleave(2, dim=2)[:, :, ::2],
    "steps first": lambda x: x.transpose(0, 1).contiguous().transpose(0, 1),
    "inputs first": lambda x: x.permute(2, 0, 1).contiguous().permute(1, 2, 0),
    "one sequence for all": lambda x: x[:1].expand(x.shape),
    "one step for all": lambda x: x[:, :1].expand(x.shape),
    "one input for all": lambda x: x[:, :, :1].expand(x.shape),
    "to be negated": lambda x: torch.complex(x, -x).conj().imag,
}
USES = [(True, True, True), (True, False, False), (False, True, False), (False, False, True), (False, True, True)]


@pytest.mark.parametrize("seed", range(90))
def test_parity_at_shapes_drawn_at_random(seed):
    """Few inputs and many, outputs that nobody uses, inputs that want no gradient."""
    draw = random.Random(seed)
    B, T, I, H = (draw.randint(1, most) for most in (70, 20, draw.choice([7, 20]), 40))  # noqa: E741 -- the field's names
    cell = busy(list(CELLS)[seed % len(CELLS)], I, H, seed)
    on = given(cell, B, T, with_state=draw.random() < 0.5, used=draw.choice(USES), seed=seed)
    lay = LAYOUTS[draw.choice(list(LAYOUTS))]
    assert_parity(cell, on, lay=lay, with_dx=draw.random() < 0.75)


@pytest.mark.parametrize("I", [1, 7, 8])
@pytest.mark.parametrize("layout", LAYOUTS)
def test_parity_at_every_layout_of_the_inputs(layout, I):  # noqa: E741 -- the field's names
    cell = busy("lstm", I, 5)
    assert_parity(cell, given(cell, 37, 6, with_state=True), lay=LAYOUTS[layout])


@pytest.mark.parametrize("H", [1, 6])
@pytest.mark.parametrize("layout", LAYOUTS)
def test_parity_at_every_layout_of_what_comes_back(layout, H):
    cell = busy("lstm", 2, H)
    on = given(cell, 37, 6, with_state=True)
    hidden, h, c = on.backs
    assert_parity(cell, on._replace(backs=(LAYOUTS[layout](hidden), h, c)))
    of_state = [LAYOUTS[layout](back[:, None])[:, 0] for back in (h, c)]
    assert_parity(cell, on._replace(backs=(hidden, *of_state)))


def test_parity_at_states_that_all_sequences_share():
    cell = busy("lstm", 2, 5)
    on = given(cell, 37, 6, with_state=True)
    assert_parity(cell, on._replace(state=tuple(part[:1].expand(37, 5) for part in on.state)))


@pytest.mark.parametrize("name", CELLS)
def test_parity_at_parameters_that_are_not_dense(name):
    cell = busy(name, 3, 6)
    for layer in cell.children():
        layer.weight = torch.nn.Parameter(layer.weight.detach().t().contiguous().t())
        assert not layer.weight.is_contiguous()
    assert_parity(cell, given(cell, 5, 6))


@pytest.mark.parametrize("frozen", [["W.weight"], ["W.bias"], ["p_i", "p_f", "p_o"], ["W.weight", "W.bias"]])
def test_parity_of_a_cell_that_learns_in_part(frozen):
    cell = busy("lstm_peephole", 3, 6)
    for name, parameter in cell.named_parameters():
        parameter.requires_grad_(name not in frozen)
    assert_parity(cell, given(cell, 37, 6))
    on = given(cell, 37, 6, with_state=True)
    cell.requires_grad_(False)
    assert_parity(cell, on)


def test_a_cell_without_biases():
    cell = busy("gru", 3, 6)
    for layer in (cell.W, cell.U, cell.V):
        layer.bias = None
    assert_parity(cell, given(cell, 37, 6))


def test_no_sequences_at_all_give_no_gradient():
    cell = LSTMCell(2, 3)
    hidden, (h, c) = Native().unroll(cell, torch.randn(0, 4, 2))
    assert (hidden.shape, h.shape, c.shape) == ((0, 4, 3), (0, 3), (0, 3))
    hidden.sum().backward()
    assert not cell.W.weight.grad.any()
    assert not cell.W.bias.grad.any()


@pytest.mark.parametrize(
    ("x", "state", "message"),
    [
        ((4, 5, 3), None, r"wants inputs \[B, T, I=2\] of at least one step; got \[4, 5, 3\]"),
        ((4, 0, 2), None, r"wants inputs \[B, T, I=2\] of at least one step; got \[4, 0, 2\]"),
        ((4, 2), None, r"wants inputs \[B, T, I=2\] of at least one step; got \[4, 2\]"),
        ((4, 5, 2), (1, 3), r"wants states \[B=4, H=3\]; got \[1, 3\]"),
        ((4, 5, 2), (4, 2), r"wants states \[B=4, H=3\]; got \[4, 2\]"),
    ],
)
def test_what_does_not_fit_is_refused(x, state, message):
    """Where the eager loop would stop too, or take the one state for all; the kernel would read what is not there."""
    with pytest.raises(ValueError, match=message):
        Native().unroll(LSTMCell(2, 3), torch.zeros(x), None if state is None else (torch.zeros(state),) * 2)


@pytest.mark.parametrize("which", ["x", "state", "cell"])
def test_types_that_are_mixed_are_refused(which):
    cell, x, state = LSTMCell(2, 3), torch.zeros(4, 5, 2), torch.zeros(4, 3)
    if which == "x":
        x = x.double()
    elif which == "state":
        state = state.double()
    else:
        cell.to("meta")
    with pytest.raises(ValueError, match="wants inputs, states and weights of one type on one device"):
        Native().unroll(cell, x, (state, state))


def test_another_default_device_changes_nothing():
    """The memory for the way back is of the CPU's, not of the device that new tensors are made on."""
    cell = busy("lstm", 2, 3)
    on = given(cell, 4, 7)
    wanted = parts(copy.deepcopy(cell), Native().unroll, on)
    buffers._free.clear()  # so that there is none to be used again
    with torch.device("meta"):
        got = parts(cell, Native().unroll, on)
    assert max(errors(got, wanted).values()) == 0
