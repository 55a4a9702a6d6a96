import torch

from longlag.cells import Cell
from longlag.flow.error_flow import error_flow
from longlag.flow.gradients import gradients
from longlag.model import SequenceModel
from longlag.task import Batch


def test_there_are_zeros_where_there_is_no_way():
    x, y, z = (torch.ones(3, requires_grad=k < 2) for k in range(3))
    found = gradients([x.square().sum()], [x, y, z])
    assert [grad.tolist() for grad in found] == [[2.0] * 3, [0.0] * 3, [0.0] * 3]
    found = gradients([x.square()], [x, y, z], [torch.tensor([1.0, 0, 5])])
    assert [grad.tolist() for grad in found] == [[2.0, 0, 10], [0.0] * 3, [0.0] * 3]


def test_a_cell_whose_first_state_depends_on_no_input_has_an_error_flow():
    class Delay(Cell):
        has_cell_state = True

        def forward(self, x, state):
            return state[1], x

    mask = torch.zeros(2, 5, dtype=torch.bool)
    mask[:, -1] = True
    batch = Batch(torch.randn(2, 5, 2), torch.zeros(2), torch.tensor([5, 5]), mask)
    flow = error_flow(SequenceModel(Delay(2, 2), 2), batch, lambda y, _: y.sum(1).mean())
    assert flow.layers[0]["dx"].isfinite().tolist() == [[False] * 2, [True] * 2, *[[False] * 2] * 3]
