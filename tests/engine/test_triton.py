"""The Triton kernels without a GPU: their numbers by Triton's interpreter, their code by its compiler."""

import importlib.util
from pathlib import Path

import pytest
import torch
from native_cells import BOUNDS, CELLS
from script_runs import NO_TRITON, said_by

from longlag.cells import LRUCell, LSTMCell
from longlag.engine import Triton, engine_for

HERE = Path(__file__).parent


@NO_TRITON
@pytest.mark.parametrize("half", [0, 1])
def test_every_cell_against_the_eager_loop_in_float64(half):
    found = said_by(HERE / "triton_parity.py", str(half), TRITON_INTERPRET="1")
    assert list(found) == list(CELLS)[half::2]
    for name, one in found.items():
        assert one["worst"] < BOUNDS[torch.float32], name
        wanted = {"hidden", "h", "c", "d_x", "d_h0", "d_W.weight", "d_W.bias"}
        assert wanted | ({"d_p_o"} if name == "lstm_peephole" else set()) <= set(one["parts"]), name
        assert one["runs"] < 2e-6, name
        assert one["odd"] < BOUNDS[torch.float32], name


@NO_TRITON
def test_nan_stays_a_mixed_precision_changes_nothing_and_the_way_back_can_be_gone_twice():
    assert said_by(HERE / "triton_parity.py", "beside", TRITON_INTERPRET="1") == {
        "nan stays": True, "mixed": True, "twice": True,
    }  # fmt: skip


@NO_TRITON
def test_every_kernel_is_built_for_a_gpu_and_fits_its_memory():
    found = said_by(HERE / "triton_build.py")
    assert len(found) == 2 * (len(CELLS) + 1)
    assert 64 * 1024 < max(found.values()) <= 99 * 1024, found  # which every GPU has since 2020


def test_without_a_gpu_it_says_so(monkeypatch):
    monkeypatch.delenv("TRITON_INTERPRET", raising=False)
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    with pytest.raises(ValueError, match=r"^engine=triton needs a GPU, and there is none here \("):
        engine_for("triton", LSTMCell(2, 3))
    assert Triton().input_refusal(torch.zeros(1, 1, 2)) == "engine=triton runs on a GPU, not on cpu"
    monkeypatch.setenv("TRITON_INTERPRET", "1")
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    with pytest.raises(ValueError, match=r"^engine=triton needs the package triton: pip install 'longlag\[triton\]'$"):
        engine_for("triton", LSTMCell(2, 3))
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: name)
    engine_for("triton", LSTMCell(2, 3))
    assert Triton().input_refusal(torch.zeros(1, 1, 2)) is None
    assert Triton().input_refusal(torch.zeros(1, 1, 2).double()) == "engine=triton takes float32, not float64"


def test_cells_that_it_has_not_are_refused():
    with pytest.raises(ValueError, match=r"^engine=triton runs LSTMCell, .*; LRUCell is none of them"):
        engine_for("triton", LRUCell(2, 3))
    with pytest.raises(ValueError, match=r"^engine=triton takes up to 128 hidden units, got 129$"):
        engine_for("triton", LSTMCell(2, 129))
