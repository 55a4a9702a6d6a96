import pytest

from longlag.benchmark.roofline import Rate, gates_of, operations
from longlag.benchmark.workload import Size
from longlag.cells import (
    CoupledLSTMCell,
    ForgetLSTM2000Cell,
    GRUCell,
    IRNNCell,
    LRUCell,
    LSTMCell,
    MinGRUCell,
    PeepholeLSTMCell,
    RNNCell,
)


def test_the_operations_are_counted_by_hand():
    """A product of [B, H + I] with [H + I, G·H] has a multiplication and an addition for each; there are three."""
    H, B, I = 5, 3, 2  # noqa: E741
    for gates in (1, 3, 4):
        forward = sum(2 for _ in range(B) for _ in range(gates * H) for _ in range(H + I))
        assert operations(gates, Size("any", H, B, T=7, R=9, I=I)) == 3 * forward
    assert operations(4, Size("lstm", H, B, T=7, I=I)) == 24 * H * (H + I) * B


@pytest.mark.parametrize(
    ("make", "gates"),
    [(LSTMCell, 4), (PeepholeLSTMCell, 4), (GRUCell, 3), (CoupledLSTMCell, 3), (RNNCell, 1), (IRNNCell, 1)],
)
def test_the_gates_are_those_whose_weights_the_cell_has(make, gates):
    """All weights on [h, x] are H·(H + I) for each gate."""
    cell = make(2, 6)
    assert gates_of(cell) == gates
    assert sum(p.numel() for p in cell.parameters() if p.ndim == 2) == gates * 6 * (6 + 2)


def test_other_cells_have_no_floor():
    class Changed(LSTMCell):
        pass

    for cell in (MinGRUCell(2, 4), LRUCell(2, 4), Changed(2, 4), ForgetLSTM2000Cell(2, 4, block_size=2)):
        assert gates_of(cell) is None
    assert gates_of(ForgetLSTM2000Cell(2, 4)) == 4


def test_the_rate_is_the_best_of_what_was_measured():
    rate = Rate()
    assert (rate.best, rate.what) == (0.0, "")
    rate.measure()
    first, what = rate.best, rate.what
    assert first > 1e8  # a processor that does less is not among those of this century
    assert what.split()[0] in ("torch.mm", "oneDNN")
    for _ in range(2):
        rate.measure()
    assert rate.best >= first
