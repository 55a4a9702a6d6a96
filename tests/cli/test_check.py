import importlib
import re
import sys
from pathlib import Path

import pytest
from printed import runs, table

from longlag.flow.early_gradient import PROBE_SIZE
from longlag.settings.compose import conf_dir

CELLS = sorted(path.stem for path in (conf_dir() / "cell").glob("*.yaml"))
SOLUTION = """
        z = z.chunk(4, dim=-1)
        i, f, o = (torch.sigmoid(z[k]) for k in (0, 1, 3))
        c = f * c + i * torch.tanh(z[2])
        return o * torch.tanh(c), c
"""


@pytest.fixture(autouse=True)
def _forget_modules():
    yield
    for name in ("my_cells", "wrong_cells", "my_broken_cells"):
        sys.modules.pop(name, None)
    importlib.invalidate_caches()


def lines(said):
    return said.out.splitlines()


def test_the_kit_says_what_it_found_and_the_figures(longlag):
    said = longlag("check", "cell=gru")
    assert said.code == 0
    assert [line.split("  ")[0].strip() for line in lines(said)[:12]] == [*["pass"] * 11, "does not apply"]
    heading, row = lines(said)[13:15]
    assert heading.split("  ")[0] == "cell"
    assert row.split()[:6] == [
        "gru",
        "11",
        "of",
        "11",
        "3,392",
        "1",
    ]  # 3·32·(32 + 2 + 1) weights and the second bias of n
    assert lines(said)[-1] == "all that apply passed"


def test_the_early_gradient_is_that_of_a_run_with_seed_0(longlag):
    """All digits that both tables show; the lag, the probe batch and its size are those of a run with the defaults."""
    assert longlag("train", "cell=gru", "trainer.max_steps=2", "trainer.val_check_interval=2", "logger=csv").code == 0
    (run,) = runs()
    heading, row = lines(longlag("check", "cell=gru"))[13:15]
    assert re.split(r"  +", heading)[4] == f"early gradient T={run.config['task']['T']}"
    assert row.split()[6] == f"{run.summary['early_gradient_init']:.1e}"
    assert run.config["probe"]["size"] == PROBE_SIZE


def test_several_cells_are_a_row_each(longlag):
    said = longlag("check", "cell=lstm,rnn", "cell.hidden_size=8")
    assert said.code == 0
    assert [line.split()[0] for line in lines(said)[2:4]] == ["lstm", "rnn"]
    assert lines(said)[2].split()[4:6] == [str(4 * 8 * 11), "2"]


def test_a_broken_cell_of_the_readers_own_exits_with_1(longlag, tmp_path):
    source = Path(__file__).parents[1] / "conformance" / "broken_cells.py"
    (tmp_path / "my_broken_cells.py").write_text(source.read_text())
    said = longlag("check", "cell._target_=my_broken_cells.BiasTwice")
    assert said.code == 1
    (line,) = (line for line in lines(said) if line.startswith("fail"))
    assert line == "fail            effective forget bias: -2, 0, 2, 6, 14 for forget_bias=-1, 0, 1, 3, 7"
    assert lines(said)[-1] == "1 failed"


def test_a_cell_that_cannot_be_measured_costs_its_own_figures_only(longlag, tmp_path):
    source = Path(__file__).parents[1] / "conformance" / "broken_cells.py"
    (tmp_path / "my_broken_cells.py").write_text(source.read_text())
    (tmp_path / "my_conf" / "cell").mkdir(parents=True)
    (tmp_path / "my_conf" / "cell" / "odd.yaml").write_text(
        "_target_: my_broken_cells.NoGradientAtAll\nhidden_size: 8\n"
    )
    said = longlag("check", "--config-dir", "my_conf", "cell=odd,rnn")
    assert said.code == 1
    rows = {line.split()[0]: line.split() for line in lines(said) if line.startswith(("odd ", "rnn "))}
    assert rows["odd"][4:] == ["-"] * 5
    assert rows["rnn"][4] == "1,120"


def test_the_lstm_passes_all_six(longlag):
    said = longlag("check", "--exercise")
    assert said.code == 0
    assert [line.split()[:2] for line in lines(said)[:6]] == [[f"({k})", "pass"] for k in range(1, 7)]
    assert "5.4e-07 against 5.6e-17" in lines(said)[4]
    assert lines(said)[6] == "all that apply passed"


def test_the_rnn_is_told_why_four_do_not_apply(longlag):
    said = longlag("check", "--exercise", "cell=rnn")
    assert said.code == 0
    assert sum("does not apply" in line for line in lines(said)) == 4
    assert "this cell is the RNN of the comparison" in said.out


def test_the_stub_fails_until_it_is_filled_in(longlag, tmp_path):
    said = longlag("check", "--stub", "my_cells.py")
    assert said.code == 0
    stub = tmp_path / "my_cells.py"
    assert "longlag check --exercise cell._target_=my_cells.MyLSTM" in stub.read_text()

    said = longlag("check", "--exercise", "cell._target_=my_cells.MyLSTM")
    assert said.code == 1
    assert "NotImplementedError: the equations of the LSTM are still to be filled in" in said.out

    text = stub.read_text()
    text = text.replace(
        "        ...\n",
        "        with torch.no_grad():\n            self.W.bias[hidden_size : 2 * hidden_size] = forget_bias\n",
    )
    head, _, _ = text.partition("        raise NotImplementedError")
    stub.write_text(head + SOLUTION)
    sys.modules.pop("my_cells")
    importlib.invalidate_caches()
    said = longlag("check", "--exercise", "cell._target_=my_cells.MyLSTM")
    assert said.out.splitlines()[-1] == "all that apply passed"
    assert said.code == 0


FILLED = SOLUTION.strip("\n")
SLIP = {
    "one tensor": (
        FILLED.replace("return o * torch.tanh(c), c", "return o * torch.tanh(c)"),
        "MyLSTM.forward (my_cells.py, line 33) must return (h, c), the next state; it returns one tensor [3, {H}]",
    ),
    "nothing": (
        FILLED.replace("return o * torch.tanh(c), c", "o * torch.tanh(c), c"),
        "MyLSTM.forward (my_cells.py, line 33) must return (h, c), the next state; it returns nothing",
    ),
    "a name": (
        FILLED.replace("torch.sigmoid", "sigmoid"),
        "NameError: name 'sigmoid' is not defined (my_cells.py, line 38)",
    ),
    "three values": (
        FILLED.replace("torch.tanh(c), c", "torch.tanh(c), c, f"),
        "MyLSTM.forward (my_cells.py, line 33) must return (h, c), the next state; it returns 3 values",
    ),
}


@pytest.mark.parametrize(("body", "why"), SLIP.values(), ids=SLIP)
def test_a_slip_in_a_step_is_one_line_with_its_place(longlag, tmp_path, body, why):
    longlag("check", "--stub", "my_cells.py")
    head, _, _ = (tmp_path / "my_cells.py").read_text().partition("        raise NotImplementedError")
    (tmp_path / "my_cells.py").write_text(head + body + "\n")
    said = longlag("check", "--exercise", "cell._target_=my_cells.MyLSTM")
    assert (said.code, lines(said)) == (1, [f"MyLSTM cannot take a step: {why.format(H=2)}"])
    said = longlag("check", "cell._target_=my_cells.MyLSTM")
    assert (said.code, lines(said)[0]) == (1, f"fail            one step: {why.format(H=32)}")
    assert lines(said)[-1] == "1 failed"


def test_a_slip_in_the_constructor_has_its_place_too(longlag, tmp_path):
    longlag("check", "--stub", "my_cells.py")
    path = tmp_path / "my_cells.py"
    path.write_text(path.read_text().replace("        ...\n", "        self.W.bias[H : 2 * H] = forget_bias\n"))
    for command in (("check",), ("check", "--exercise"), ("train", "logger=csv")):
        said = longlag(*command, "cell._target_=my_cells.MyLSTM")
        assert (said.code, said.err) == (
            2,
            "longlag: cell: NameError: name 'H' is not defined (my_cells.py, line 31)\n",
        )


def test_a_run_that_fails_in_a_cell_says_where(longlag, tmp_path):
    longlag("check", "--stub", "my_cells.py")
    said = longlag("train", "cell._target_=my_cells.MyLSTM", "logger=csv")
    assert said.code == 1
    assert (
        "failed: NotImplementedError: the equations of the LSTM are still to be filled in (my_cells.py, line 37)"
        in (said.err)
    )


@pytest.fixture
def wrong_cells(tmp_path):
    source = Path(__file__).parents[1] / "conformance" / "wrong_cells.py"
    (tmp_path / "wrong_cells.py").write_text(source.read_text())


def test_a_wrong_cell_of_the_readers_own_exits_with_1(longlag, wrong_cells):
    said = longlag("check", "--exercise", "cell._target_=wrong_cells.ReturnsCAsH")
    assert said.code == 1
    assert lines(said)[1].startswith("(2) fail ")
    assert lines(said)[-1].endswith("of 6 failed")


@pytest.mark.slow
def test_a_wrong_cell_that_does_not_learn_either(longlag, wrong_cells):
    said = longlag("check", "--exercise", "cell._target_=wrong_cells.NotAdditive")
    assert said.code == 1
    assert lines(said)[1].startswith("(2) fail ")


def test_a_stub_never_overwrites_a_solution(longlag, tmp_path):
    (tmp_path / "my_cells.py").write_text("mine")
    said = longlag("check", "--stub", "my_cells.py")
    assert said.code == 2
    assert said.err == "longlag: --stub: my_cells.py is there already; name another file\n"
    assert (tmp_path / "my_cells.py").read_text() == "mine"


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["task.T=20"], "longlag check takes cell=… and cell.…=…, got 'task.T=20'"),
        (["--foo"], "unrecognized arguments: --foo; longlag check --help shows what there is"),
        (["cell=nope"], f"no cell 'nope'; there are: {', '.join(CELLS)}"),
        (["--exercise", "cell=lstm,gru"], "longlag check --exercise takes one cell"),
        (["cell.forget=1"], "no key 'cell.forget'; did you mean cell.forget_bias?"),
        (["cell.forget_bias=big"], "cell: forget_bias must be a number, got 'big'"),
        (
            ["cell._target_=my_cells.MyLSTM"],
            "cannot import my_cells.MyLSTM: ModuleNotFoundError: No module named 'my_cells'",
        ),
        (
            ["--stub", "my-cells.py"],
            "--stub: my-cells.py should be a Python file that can be imported, such as my_cells.py",
        ),
        (["--stub", "none/my_cells.py"], "--stub: cannot write none/my_cells.py: No such file or directory"),
    ],
)
def test_wrong_requests_are_one_line(longlag, arguments, message):
    said = longlag("check", *arguments)
    assert (said.code, said.err) == (2, f"longlag: {message}\n")


def test_a_cell_of_a_yaml_of_its_own(longlag, tmp_path, wrong_cells):
    (tmp_path / "conf" / "cell").mkdir(parents=True)
    (tmp_path / "conf" / "cell" / "mine.yaml").write_text("_target_: wrong_cells.ReturnsCAsH\nhidden_size: 32\n")
    said = longlag("check", "--exercise", "cell=mine", "--config-dir", "conf")
    assert said.code == 1
    assert f"no cell 'mine'; there are: {', '.join(CELLS)}" in longlag("check", "cell=mine").err


@pytest.mark.slow
def test_a_plain_module_can_be_checked_too(longlag, tmp_path):
    """A cell that is no subclass of ours needs hidden_size and initial_state, and nothing else."""
    (tmp_path / "my_cells.py").write_text(
        "import torch\n\n\nclass Plain(torch.nn.Module):\n    def __init__(self, input_size, hidden_size):\n"
        "        super().__init__()\n        self.hidden_size = hidden_size\n"
        "        self.map = torch.nn.GRUCell(input_size, hidden_size)\n\n"
        "    def initial_state(self, batch_size, device=None, dtype=None):\n"
        "        zeros = torch.zeros(batch_size, self.hidden_size, device=device, dtype=dtype)\n"
        "        return zeros, zeros\n\n"
        "    def forward(self, x, state):\n        h = self.map(x, state[0])\n        return h, h\n"
    )
    found = lines(longlag("check", "--exercise", "cell._target_=my_cells.Plain"))
    assert [line.split()[1] for line in (found[0], found[4], found[5])] == ["pass", "pass", "pass"]
    assert "does not apply" in found[1]
    said = longlag("check", "cell._target_=my_cells.Plain")
    assert said.code == 0
    assert sum(line.startswith("pass") for line in lines(said)) == 7


OWN = """
import torch
from longlag.cells import GatedCell


class Leaky(GatedCell):
    has_carousel = True
    gate_names = ("f",)
    forget_gate = "f"
    packing = ("f", "g")

    def __init__(self, input_size, hidden_size, forget_bias=1.0):
        super().__init__(input_size, hidden_size)
        self.W = torch.nn.Linear(hidden_size + input_size, 2 * hidden_size)
        self.start_forget_gate(forget_bias)

    def gates(self, x, state):
        return {"f": torch.sigmoid(self.W(torch.cat([state[0], x], dim=-1)).chunk(2, dim=-1)[0])}

    def forward(self, x, state):
        f, g = self.W(torch.cat([state[0], x], dim=-1)).chunk(2, dim=-1)
        f = torch.sigmoid(f)
        h = f * state[0] + (1 - f) * torch.tanh(g)
        return h, h
"""


def test_a_yaml_that_is_none_is_one_line(longlag, tmp_path):
    (tmp_path / "my_conf" / "cell").mkdir(parents=True)
    (tmp_path / "my_conf" / "cell" / "odd.yaml").write_text("  _target_: x\nhidden_size: 32\n")
    for command in ("check", "train"):
        said = longlag(command, "--config-dir", "my_conf", "cell=odd")
        assert said.code == 2
        assert said.err.startswith("longlag: not YAML: expected '<document start>'")
        assert "odd.yaml" in said.err
        assert said.err.count("\n") == 1


def test_a_cell_from_outside_is_checked_and_trained_like_any_other(longlag, tiny, tmp_path):
    """One module and one YAML in a folder of the reader's own, nothing else edited: CONTRIBUTING's three steps."""
    (tmp_path / "my_cells.py").write_text(OWN)
    (tmp_path / "my_conf" / "cell").mkdir(parents=True)
    (tmp_path / "my_conf" / "cell" / "leaky.yaml").write_text(
        "_target_: my_cells.Leaky\nhidden_size: 32\nforget_bias: 1.0\n"
    )
    said = longlag("check", "--config-dir", "my_conf", "cell=leaky")
    assert said.code == 0
    assert sum(line.startswith("pass") for line in lines(said)) == 11
    said = longlag(
        "train", "-m", "--config-dir", "my_conf", *tiny, "cell=leaky,rnn", "init=constant,chrono",
        "cell.forget_bias=0,3", "model.layers=2",
    )  # fmt: skip
    assert said.code == 0
    assert [(row[0], row[3]) for row in table(said)] == [
        ("leaky", "0"), ("leaky", "3"), ("leaky", "chrono"), ("rnn", "-"),
    ]  # fmt: skip
