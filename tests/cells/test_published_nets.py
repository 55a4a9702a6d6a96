"""The cells of 1997 and 2000, read out from as published, have the published number of weights."""

import pytest

from longlag import build_model, build_task, compose
from longlag.cells.lstm_1997 import LSTM1997Cell
from longlag.cells.lstm_forget_2000 import ForgetLSTM2000Cell
from longlag.model import SequenceModel


def count(module):
    return sum(parameter.numel() for parameter in module.parameters())


@pytest.mark.parametrize(
    ("overrides", "blocks", "size", "biased", "published"),
    [
        (["task=embedded_reber"], 4, 1, "gates", 264),
        (["task=embedded_reber"], 3, 2, "gates", 276),
        (["task=distractor_lag", "task.T=50"], 2, 1, "none", 364),
        (["task=distractor_lag", "task.T=100"], 2, 1, "none", 664),
        (["task=distractor_lag", "task.T=200"], 2, 1, "none", 1264),
        (["task=distractor_lag", "task.T=500"], 2, 1, "none", 3064),
        (["task=distractor_lag", "task.T=1000"], 2, 1, "none", 6064),
        (["task=distractor_lag", "task.T=1000", "task.p=500"], 2, 1, "none", 3064),
        (["task=distractor_lag", "task.T=1000", "task.p=200"], 2, 1, "none", 1264),
        (["task=distractor_lag", "task.T=1000", "task.p=100"], 2, 1, "none", 664),
        (["task=distractor_lag", "task.T=1000", "task.p=50"], 2, 1, "none", 364),
        (["task=two_sequence"], 3, 1, "hidden", 102),
        (["task=two_sequence_noisy_signal"], 3, 1, "hidden", 102),
        (["task=two_sequence_noisy_target"], 3, 1, "hidden", 102),
        (["task=adding"], 2, 2, "all", 93),
        (["task=multiplication"], 2, 2, "all", 93),
        (["task=temporal_order"], 2, 2, "all", 156),
        (["task=temporal_order", "task.symbols=3"], 3, 2, "all", 308),
    ],
)
def test_the_nets_of_1997(overrides, blocks, size, biased, published):
    """Hochreiter & Schmidhuber 1997, Tables 10 and 11; where ``all`` units have a bias, so have the outputs."""
    task = build_task(compose(*overrides))
    cell = LSTM1997Cell(task.input_size, blocks * size, size, biased="hidden" if biased == "all" else biased)
    assert count(SequenceModel(cell, task.output_size, readout_bias=biased == "all")) == published


@pytest.mark.parametrize("name", ["noise_free_lag", "random_lag"])
def test_the_net_of_experiments_2a_and_2b(name):
    """One cell and its input gate read the inputs; the outputs read the cell, and by a shortcut the inputs."""
    task = build_task(compose(f"task={name}", "task.T=100"))
    cell = LSTM1997Cell(task.input_size, 1, output_gate=False, biased="none")
    assert count(SequenceModel(cell, task.output_size, readout_bias=False, shortcut=True)) == 10504


def test_the_net_of_the_continual_grammar():
    """Gers, Schmidhuber & Cummins 2000: 4 blocks of 2; 120 weights of cells, 192 of gates; the outputs have 112."""
    task = build_task(compose("task=continual_embedded_reber"))
    cell = ForgetLSTM2000Cell(task.input_size, 8, 2)
    assert (count(cell.U), count(cell.W)) == (120, 192)
    from_inputs_to_outputs = task.input_size * task.output_size
    assert count(SequenceModel(cell, task.output_size)) + from_inputs_to_outputs == 424


def test_the_net_of_experiment_3_by_its_settings():
    """The biases of each block can be typed, as the paper's Table 10 lists them."""
    settings = compose(
        "task=two_sequence",
        "cell=lstm_1997",
        "cell.hidden_size=3",
        "cell.input_bias=[-1,-3,-5]",
        "cell.output_bias=[-2,-4,-6]",
        "model.readout_bias=false",
    )
    model = build_model(settings, build_task(settings))
    (cell,) = model.cells
    assert count(model) == 102
    assert cell.gate_bias("i").tolist() == [-1, -3, -5]
    assert cell.gate_bias("o").tolist() == [-2, -4, -6]
    assert cell.truncated
