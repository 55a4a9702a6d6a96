import pytest
import torch

from longlag.cells import CoupledLSTMCell, GRUCell, IRNNCell, LSTMCell, RNNCell

CELLS = [CoupledLSTMCell, GRUCell, IRNNCell, LSTMCell, RNNCell]


@pytest.mark.parametrize("cell", CELLS)
@pytest.mark.parametrize("size", [0, -1, 2.0, "3", True])
def test_a_size_that_is_no_positive_integer_is_refused(cell, size):
    with pytest.raises(ValueError, match="hidden_size must be a positive integer"):
        cell(2, size)
    with pytest.raises(ValueError, match="input_size must be a positive integer"):
        cell(size, 2)


@pytest.mark.parametrize("cell", CELLS)
def test_the_state_starts_at_zero_in_the_type_asked_for(cell):
    h, c = cell(2, 3).initial_state(5, dtype=torch.float64)
    for part in (h, c):
        assert part.shape == (5, 3)
        assert part.dtype is torch.float64
        assert not part.any()
