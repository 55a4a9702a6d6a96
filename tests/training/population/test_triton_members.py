"""Members that Triton's kernels train, on Triton's interpreter, against the same runs alone.

The kernel gives a run the same bits alone and beside others. A product for all runs in one call of PyTorch's library
may be rounded otherwise than that of a single run, and Adam divides by gradients that are small: hence a hundred times
the 2⁻²³ of float32, of the largest weight.
"""

from pathlib import Path

import pytest
from script_runs import NO_TRITON, said_by

SCRIPT = Path(__file__).with_name("triton_runs.py")
ROUNDING = 100 * 2**-23


@NO_TRITON
@pytest.mark.parametrize(("kind", "steps"), [("stack", [3] * 3), ("padded", [1] * 3)])
def test_a_member_is_the_run_alone_to_rounding(kind, steps):
    found = said_by(SCRIPT, kind, TRITON_INTERPRET="1")
    assert found["far"] <= ROUNDING
    assert found["member"] == found["alone"] == [["done", count, "triton"] for count in steps]


@NO_TRITON
def test_without_a_compiler_each_member_measures_its_error_flow_by_the_eager_loop():
    found = said_by(SCRIPT, "padded", TRITON_INTERPRET="1", LONGLAG_NATIVE="off")
    assert found["far"] <= ROUNDING
    assert found["member"] == found["alone"] == [["done", 1, "triton"]] * 3


@NO_TRITON
def test_members_whose_gradients_are_clipped_leave_and_others_join():
    found = said_by(SCRIPT, "leave", TRITON_INTERPRET="1")
    assert found["far"] <= ROUNDING
    assert found["member"] == found["alone"] == [["done", count, "triton"] for count in (3, 1, 2)]


@NO_TRITON
def test_a_grid_of_the_command_line_trains_as_one_batch():
    found = said_by(SCRIPT, "command", TRITON_INTERPRET="1")
    assert found == {"code": 0, "engines": ["triton"] * 3, "together": [True] * 3}
