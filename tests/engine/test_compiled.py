"""A reader's own cell, compiled in chunks: the eager loop's numbers, and word of what it costs."""

import logging

import pytest
import torch

from longlag.cells import LSTMCell
from longlag.engine import Compiled, Eager, engine_for


class Mine(LSTMCell):
    """A cell with a step of its own."""

    def forward(self, x, state):
        h, c = super().forward(x, state)
        return h + 0.1 * torch.sin(c), c


def parts(unroll, cell, x):
    hidden, (h, c) = unroll(cell, x)
    loss = hidden.square().sum() + h.sum() + (c * c).sum()
    return [hidden, h, c, *torch.autograd.grad(loss, [x, *cell.parameters()])]


@pytest.mark.long
@pytest.mark.filterwarnings("ignore")  # those of torch.compile itself
def test_it_gives_what_the_loop_gives_and_says_that_it_compiles(caplog):
    torch.manual_seed(0)
    cell = Mine(2, 5)
    with caplog.at_level(logging.INFO, logger="longlag"):
        for T in (23, 7):  # whole chunks and a rest, and a rest alone
            x = torch.randn(3, T, 2, requires_grad=True)
            for got, want in zip(*(parts(way.unroll, cell, x) for way in (Compiled(), Eager())), strict=True):
                assert (got - want).norm() <= 1e-6 * want.norm()
    said = [record.getMessage() for record in caplog.records]
    assert said[0] == "engine=compiled: compiling Mine for 3 sequences"
    assert said[1].startswith("engine=compiled: compiled in ")
    assert len(said) == 2


def test_without_a_compiler_it_is_refused(monkeypatch, tmp_path):
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(ValueError, match=r"^engine=compiled wants a C\+\+ compiler \(g\+\+ or clang\+\+\)"):
        engine_for("compiled", Mine(2, 3))
