"""What holds for every cell of the package."""

import inspect

import pytest
import torch

from longlag import cells
from longlag.cells import Cell
from longlag.cells.state import leaves

CELLS = [
    cls
    for _, cls in inspect.getmembers(cells, inspect.isclass)
    if issubclass(cls, Cell) and not inspect.isabstract(cls)
]
#: What does not start at zero: a start that is learned, and the logarithm of nothing.
STARTS = {cells.UnitaryRNNCell: [0, 1], cells.SLSTMCell: [3]}


def test_there_are_cells():
    assert len(CELLS) == 16


@pytest.mark.parametrize("cell", CELLS)
@pytest.mark.parametrize("size", [0, -1, 2.0, "3", True])
def test_a_size_that_is_no_positive_integer_is_refused(cell, size):
    with pytest.raises(ValueError, match="hidden_size must be a positive integer"):
        cell(2, size)
    with pytest.raises(ValueError, match="input_size must be a positive integer"):
        cell(size, 4)


@pytest.mark.parametrize("cell", CELLS)
def test_the_state_starts_at_zero_in_the_type_asked_for(cell):
    state = cell(2, 4).initial_state(5, dtype=torch.float64)
    assert state[0].shape == (5, 4)
    for number, part in enumerate(leaves(state)):
        assert part.shape[0] == 5
        assert part.dtype in (torch.float64, torch.complex128)
        assert bool(part.any()) == (number in STARTS.get(cell, []))


@pytest.mark.parametrize("cell", CELLS)
def test_no_cell_is_a_module_of_torch_in_disguise(cell):
    kinds = (torch.nn.RNNBase, torch.nn.RNNCellBase, torch.nn.MultiheadAttention, torch.nn.TransformerEncoderLayer)
    assert not [module for module in cell(2, 4).modules() if isinstance(module, kinds)]


@pytest.mark.parametrize("cell", [cls for cls in CELLS if "forget_bias" in inspect.signature(cls).parameters])
@pytest.mark.parametrize("bias", ["1", True, [1.0]])
def test_a_forget_bias_that_is_no_number_is_refused(cell, bias):
    with pytest.raises(ValueError, match="forget_bias must be a number"):
        cell(2, 4, forget_bias=bias)


@pytest.mark.parametrize("cell", CELLS)
def test_a_forget_bias_and_a_forget_gate_go_together(cell):
    assert ("forget_bias" in inspect.signature(cell).parameters) == (getattr(cell, "forget_gate", None) is not None)
