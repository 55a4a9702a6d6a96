import numpy as np
import pytest

from longlag.cells import LSTMCell
from longlag.checks import check_integer, check_number, check_positive, is_number


@pytest.mark.parametrize("value", [3, np.int64(3), np.int32(3), np.uint8(3)])
def test_an_integer_of_numpy_is_an_integer(value):
    check_positive("H", value)
    check_integer("T", value, 1, at_most=3)
    assert LSTMCell(2, value).hidden_size == 3


@pytest.mark.parametrize("value", [0.5, np.float32(0.5), np.float64(0.5)])
def test_a_number_of_numpy_is_a_number(value):
    check_number("lr", value, 0, 1)
    assert is_number(value)


@pytest.mark.parametrize("value", [True, np.True_, "3", None, float("nan"), np.float32("inf"), 1j])
def test_these_are_no_numbers(value):
    assert not is_number(value)
    with pytest.raises(ValueError, match="H must be a positive integer, got"):
        check_positive("H", value)
