import pytest
import torch

from longlag.cells import LSTMCell, RNNCell
from longlag.engine.eager import unroll


@pytest.mark.parametrize("cell", [LSTMCell(2, 3), RNNCell(2, 3)])
def test_a_split_sequence_gives_what_the_whole_one_gives(cell):
    x = torch.randn(4, 9, 2, generator=torch.Generator().manual_seed(0))
    whole, end = unroll(cell, x)
    first, middle = unroll(cell, x[:, :4])
    second, split_end = unroll(cell, x[:, 4:], middle)
    assert torch.equal(whole, torch.cat([first, second], dim=1))
    assert all(torch.equal(a, b) for a, b in zip(end, split_end, strict=True))


def test_the_outputs_are_the_hidden_states_of_every_step():
    cell = LSTMCell(2, 3)
    x = torch.randn(4, 5, 2, generator=torch.Generator().manual_seed(0))
    outputs, (h, _) = unroll(cell, x)
    assert outputs.shape == (4, 5, 3)
    assert torch.equal(outputs[:, -1], h)
    one_step, _ = cell(x[:, 0], cell.initial_state(4))
    assert torch.equal(outputs[:, 0], one_step)
