"""Which engine serves when nobody names one, and what is said of it."""

import logging

import pytest
import torch
from torch import nn

from longlag.cells import LSTMCell, MinGRUCell, MLSTMCell
from longlag.engine import Native, engine_for
from longlag.engine.auto import Auto


class Mine(LSTMCell):
    """A reader's own, which no faster engine knows."""


def used(cell, *shape, dtype=torch.float32):
    auto = Auto()
    x = torch.randn(*(shape or (3, 5, 2)), dtype=dtype)
    hidden, (h, _) = auto.unroll(cell.to(dtype), x)
    assert torch.equal(hidden[:, -1], h)
    return str(auto.used)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_the_native_engine_serves_the_cells_that_it_has(dtype):
    assert used(LSTMCell(2, 4), dtype=dtype) == f"native ({Native().level})"


def test_without_it_pytorch_serves_and_says_why(no_native):
    assert used(LSTMCell(2, 4)) == "torch: LONGLAG_NATIVE=off switches the native engine off"


def test_what_is_linear_in_its_state_is_scanned_as_far_as_that_pays():
    assert used(MinGRUCell(2, 4)) == "scan"
    assert used(MinGRUCell(1, 64), 40, 1000, 1) == "eager"


@pytest.mark.parametrize("cell", [Mine(2, 4), MLSTMCell(2, 4)])
def test_the_eager_loop_serves_all_others(cell):
    assert used(cell) == "eager"


def test_a_mixed_precision_is_what_was_asked_for():
    with torch.autocast("cpu", dtype=torch.bfloat16):
        assert used(LSTMCell(2, 4)) == "eager"


def test_it_is_said_once_in_the_log(caplog):
    auto, cell = Auto(), Mine(2, 4)
    with caplog.at_level(logging.INFO, logger="longlag"):
        for _ in range(3):
            auto.unroll(cell, torch.randn(3, 5, 2))
    assert [record.getMessage() for record in caplog.records] == ["engine=auto runs Mine by eager"]


def test_an_unknown_engine_is_refused():
    assert isinstance(engine_for("auto", LSTMCell(2, 3)), Auto)
    with pytest.raises(
        ValueError, match="engine must be one of auto, eager, native, torch, scan, compiled, triton; got 'warp'"
    ):
        engine_for("warp", nn.Identity())
