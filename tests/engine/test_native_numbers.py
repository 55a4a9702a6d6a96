"""What is no number, or a very large one: it comes out of the native engine where it comes out of the eager loop."""

import copy

import pytest
import torch
from native_cells import CELLS, busy, given, parts

from longlag.engine import Native, eager

NAN, INF = float("nan"), float("inf")
#: Where a number is put: the inputs, h or c at the start [sequence, …], or the weights.
PLACES = {
    "x in the middle": lambda cell, on: on.x[4, 2],
    "x of the last sequence": lambda cell, on: on.x[-1, 2],
    "x at the end": lambda cell, on: on.x[4, -1],
    "h": lambda cell, on: on.state[0][3],
    "c": lambda cell, on: on.state[1][3],
    "a gate that is read": lambda cell, on: on.state[2][3],
    "W": lambda cell, on: cell.W.weight.data[1],
}
CASES = [
    (name, place, value)
    for name in CELLS
    for place in PLACES
    for value in (NAN, INF, -INF)
    if not (place == "c" and name in ("gru", "rnn", "irnn"))  # which have none
    if not (place == "a gate that is read" and name not in ("lstm_1997", "lstm_1997-full", "lstm_1997-blocks"))
    if not (place == "h" and name == "lstm_1997-no_output_gate")  # which does not read it
    if not (name == "gru" and place not in ("c", "W") and value != NAN)  # which has a test of its own
]


def run_with(name, place, value, dtype=torch.float32):
    """Return what the native engine and the eager loop give, by name."""
    cell = busy(name, 3, 9).to(dtype)
    on = given(cell, 35, 6, with_state=True)
    PLACES[place](cell, on)[1] = value
    return parts(copy.deepcopy(cell), Native().unroll, on), parts(cell, eager.unroll, on)


@pytest.mark.parametrize(("name", "place", "value"), CASES)
def test_what_is_no_number_comes_out_where_it_does_in_the_loop(name, value, place):
    """Values are nan where those of the loop are; gradients are finite where those of the loop are.

    Where the last sequence is infinite, so is what is put in for those over, and 0 · ∞ makes nan of an infinite sum.
    """
    for dtype in (torch.float32, torch.float64):
        got, wanted = run_with(name, place, value, dtype)
        for part in ("hidden", "h", "c"):
            assert torch.equal(got[part].isnan(), wanted[part].isnan()), part
        for part in got:
            finite = wanted[part].isfinite()
            assert torch.equal(got[part].isfinite(), finite), part
            torch.testing.assert_close(got[part][finite], wanted[part][finite], rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("value", [INF, -INF])
def test_an_infinite_input_is_nan_for_a_gru_alone(value):
    """Its candidate's two parts are taken as two gates, each with zeros where the other has weights: 0 · ∞ is nan.

    The other sequences are what they are without it.
    """
    got, wanted = run_with("gru", "x in the middle", value)
    nan = got["hidden"].isnan()
    assert nan[4, 2:].all()
    nan[4, 2:] = False
    assert not nan.any()
    others = torch.arange(35) != 4
    torch.testing.assert_close(got["hidden"][others], wanted["hidden"][others], rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("scale", [1e2, 1e4, 1e15, 1e30])
@pytest.mark.parametrize("name", [name for name in CELLS if name != "irnn"])  # which saturates nowhere
def test_large_inputs_saturate(name, scale):
    """Nothing overflows on the way: a gate is 1 or exactly 0, and sends back nothing."""
    cell = busy(name, 3, 9)
    on = given(cell, 35, 20, with_state=True)
    on = on._replace(x=on.x * scale)
    for dtype in (torch.float32, torch.float64):
        # The roundings of a pre-activation are as large as the inputs make it; most are far from 0
        off = scale * torch.finfo(dtype).eps if scale < 1e5 else 0.0
        got, wanted = (parts(copy.deepcopy(cell).to(dtype), unroll, on) for unroll in (Native().unroll, eager.unroll))
        for part in got:
            assert got[part].isfinite().all(), part
            if off < 1e-8:
                torch.testing.assert_close(got[part], wanted[part], rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("name", CELLS)
def test_a_sequence_that_is_no_number_leaves_the_others_alone(name):
    """Not a bit of them is another, though they lie in the same vectors, and the last one is put in for those over."""
    cell = busy(name, 3, 9)
    on = given(cell, 35, 6, with_state=True)
    wanted = parts(cell, Native().unroll, on)
    for spoilt in (0, 17, 34):
        x = on.x.clone()
        x[spoilt] = NAN
        got = parts(cell, Native().unroll, on._replace(x=x))
        others = torch.arange(35) != spoilt
        for part in ("hidden", "h", "c", "d_x", "d_h0"):
            assert torch.equal(got[part][others], wanted[part][others]), part
        assert got["hidden"][spoilt].isnan().all()
