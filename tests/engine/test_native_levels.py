"""Whatever instructions the processor has, the native engine gives the same numbers."""

import os
import random
import subprocess
import sys

import numpy as np
import pytest
import torch
from native_cells import CELLS, assert_parity, busy, given

from longlag.cells import LSTM1997Cell, LSTMCell, PeepholeLSTMCell
from longlag.engine import Native, engine_for
from longlag.engine.auto import Auto
from longlag.engine.kernel_cells import packed
from longlag.engine.native.autograd import Call
from longlag.engine.native.build import LEVELS, level

HERE = list(LEVELS)[list(LEVELS).index(level()) :]


@pytest.fixture(params=HERE)
def named(request, monkeypatch, forgotten):
    """The native engine uses the instructions that are named, of those that are there."""
    monkeypatch.setenv("LONGLAG_NATIVE", request.param)
    return request.param


def assert_parity_at_shapes(name, dtypes, seeds):
    for seed in seeds:
        draw = random.Random(seed)
        B, T, I, H = (draw.randint(1, most) for most in (70, 9, 20, 40))  # noqa: E741 -- the field's names
        cell = busy(name, I, H, seed)
        assert_parity(cell, given(cell, B, T, with_state=seed % 2 == 0, seed=seed), dtypes)


def test_parity_at_every_level(named):
    """The cell that has the most to it, with few inputs and many."""
    assert Native().level == named
    call = Call(packed(PeepholeLSTMCell(2, 3)), torch.zeros(1, 1, 1, 2), None, None)
    assert call.layout.rows == 2 * {"avx512": 16, "avx2": 8, "plain": 4}[named], "two vectors of float32"
    assert_parity_at_shapes("lstm_peephole", (torch.float32, torch.float64), range(12))
    cell = busy("lstm_peephole", 3, 9)
    assert_parity(cell, given(cell, 35, 200, with_state=True))


@pytest.mark.slow
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("name", CELLS)
def test_parity_of_every_cell_at_every_level(named, name, dtype):
    assert_parity_at_shapes(name, (dtype,), range(25))
    cell = busy(name, 3, 9)
    assert_parity(cell, given(cell, 35, 1000, with_state=True), (dtype,))


def memory(x, reads, bias, c):
    """Return the memory of one unit after one step, with a weight of 1 from x to a gate and a bias of another."""
    cell = PeepholeLSTMCell(1, 1).to(x.dtype)
    with torch.no_grad():
        for parameter in cell.parameters():
            parameter.zero_()
        cell.W.weight["ifgo".index(reads), 1] = 1.0
        cell.W.bias["ifgo".index("i")] = bias
        state = torch.zeros(len(x), 1, dtype=x.dtype), torch.full((len(x), 1), c, dtype=x.dtype)
        return Native().unroll(cell, x[:, None, None], state)[1][1][:, 0]


def tanh(x):
    """By a unit whose input gate is open and which holds nothing."""
    return memory(x, reads="g", bias=100.0, c=0.0)


def sigmoid(x):
    """By the forget gate of a unit that holds a 1, and takes in a 0."""
    return memory(x, reads="f", bias=0.0, c=1.0)


@pytest.mark.skipif(np.finfo(np.longdouble).nmant < 63, reason="numpy has no longer numbers to compare with here")
@pytest.mark.parametrize(
    ("ours", "exact", "bound"),
    # Measured 1.7 and 1.3 times the precision of the type; PyTorch's own are 0.62 and 1.24 off
    [(tanh, np.tanh, 2.0), (sigmoid, lambda x: 1 / (1 + np.exp(-x)), 1.5)],
    ids=["tanh", "sigmoid"],
)
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_the_functions_keep_their_digits(named, dtype, ours, exact, bound):
    """The relative error is a few units in the last place: around 0, down to the smallest numbers, as elsewhere."""
    steps = torch.linspace(-30, 30, 60_001, dtype=dtype)
    small = torch.logspace({torch.float32: -37, torch.float64: -307}[dtype], 0, 20_001, dtype=torch.float64).to(dtype)
    x = torch.cat([steps, small, -small])
    wanted = exact(x.numpy().astype(np.longdouble))
    off = np.abs(ours(x).numpy().astype(np.longdouble) - wanted)
    assert np.all(off <= bound * torch.finfo(dtype).eps * np.abs(wanted))


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_the_functions_saturate(named, dtype):
    """Far out they are 1, −1 and, to the smallest normal number, 0; of nan they are nan."""
    end = torch.finfo(dtype).max
    far = torch.tensor([50.0, 100.0, 1e3, 1e30, end], dtype=dtype)
    assert torch.equal(tanh(torch.cat([far, -far])), torch.cat([torch.ones_like(far), -torch.ones_like(far)]))
    assert torch.equal(sigmoid(far), torch.ones_like(far))
    assert torch.all(sigmoid(-far[1:]) < 1e-37)
    assert torch.all(sigmoid(-far) >= 0)
    assert tanh(torch.zeros(1, dtype=dtype)).item() == 0
    assert sigmoid(torch.zeros(1, dtype=dtype)).item() == 0.5
    nan = torch.tensor([float("nan"), 0.0], dtype=dtype)
    assert tanh(nan).isnan().tolist() == sigmoid(nan).isnan().tolist() == [True, False]


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_the_slope_of_a_full_memory_keeps_its_digits_and_ends_at_zero(named, dtype):
    """With weights of 0 a cell of 1997 gives h = ½ tanh(s / 2); in float32 1 − tanh² would be 0 from s = 18 on."""
    cell = LSTM1997Cell(1, 1, truncate_gates=False).to(dtype)
    with torch.no_grad():
        for parameter in cell.parameters():
            parameter.zero_()
    far = {torch.float32: 87.0, torch.float64: 708.0}[dtype]

    def slope(s):
        s.requires_grad_()
        state = torch.zeros(len(s), 1, dtype=dtype), (s[:, None], torch.zeros(len(s), 2, dtype=dtype))
        h = Native().unroll(cell, torch.zeros(len(s), 1, 1, dtype=dtype), state)[1][0]
        return torch.autograd.grad(h.sum(), s)[0]

    s = torch.linspace(-0.95 * far, 0.95 * far, 20_001, dtype=dtype)
    wanted = 0.25 / np.cosh(s.numpy().astype(np.longdouble) / 2) ** 2
    off = np.abs(slope(s).numpy().astype(np.longdouble) - wanted) / wanted
    assert off.max() <= 8 * torch.finfo(dtype).eps
    assert not slope(torch.tensor([1.1 * far, -1.1 * far, 1e30], dtype=dtype)).any()
    assert slope(torch.tensor([float("nan")], dtype=dtype)).isnan().all()


def test_instructions_that_are_not_there_are_refused(monkeypatch, forgotten):
    monkeypatch.setenv("LONGLAG_NATIVE", "warp")
    there = ", ".join(HERE)
    with pytest.raises(ValueError, match=rf"^LONGLAG_NATIVE must be one of {there}, off on this machine; got 'warp'$"):
        engine_for("native", LSTMCell(2, 3))
    auto = Auto()
    auto.unroll(LSTMCell(2, 3), torch.randn(3, 5, 2))
    assert str(auto.used).startswith("torch: LONGLAG_NATIVE must be one of")


def test_an_empty_name_is_none(monkeypatch, forgotten):
    monkeypatch.setenv("LONGLAG_NATIVE", "")
    assert Native().level == HERE[0]


@pytest.mark.parametrize(("torch_says", "wanted"), [("default", "plain"), ("avx2", "avx2")])
def test_pytorchs_own_switch_is_followed(torch_says, wanted):
    """And more than that is not there then."""
    if wanted not in HERE:
        pytest.skip(f"no {wanted} here")
    told = (
        "from longlag.engine.native.build import level, NoLibraryError\n"
        "import os\n"
        "print(level())\n"
        "level.cache_clear()\n"
        "os.environ['LONGLAG_NATIVE'] = 'avx512'\n"
        "try: level()\n"
        "except NoLibraryError as error: print(error)\n"
    )
    environment = {key: value for key, value in os.environ.items() if key != "LONGLAG_NATIVE"}
    said = subprocess.run(
        [sys.executable, "-c", told],
        env={**environment, "ATEN_CPU_CAPABILITY": torch_says},
        capture_output=True,
        text=True,
        check=True,
    )
    there = ", ".join(list(LEVELS)[list(LEVELS).index(wanted) :])
    refusal = f"LONGLAG_NATIVE must be one of {there}, off on this machine; got 'avx512'"
    assert said.stdout.splitlines() == [wanted, refusal]
