"""The sizes of the tasks make the published numbers of weights (Hochreiter & Schmidhuber 1997, Tables 10 and 11)."""

import pytest

from longlag.cli.assemble import task_of
from longlag.cli.configs import settings_of


def weights(I, O, blocks, size, biased):  # noqa: E741 -- the field's names
    """Count the weights of a net whose hidden units are all connected (Tables 10 and 11, connectivity F).

    Every cell and every gate reads the inputs and all cells and gates; the outputs read the cells.
    """
    cells, gates = blocks * size, 2 * blocks
    hidden = cells + gates
    biases = {"none": 0, "gates": gates, "hidden": hidden, "all": hidden + O}[biased]
    return hidden * (I + hidden) + O * cells + biases


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
def test_inputs_and_outputs_make_the_published_number_of_weights(overrides, blocks, size, biased, published):
    task = task_of(settings_of(overrides))
    assert weights(task.input_size, task.output_size, blocks, size, biased) == published


@pytest.mark.parametrize("name", ["noise_free_lag", "random_lag"])
@pytest.mark.parametrize(("T", "published"), [(100, 10504)])
def test_experiments_2a_and_2b(name, T, published):
    """A cell and its input gate read the inputs, the outputs read the inputs and the cell: no recurrent weights."""
    task = task_of(settings_of([f"task={name}", f"task.T={T}"]))
    assert 2 * task.input_size + task.output_size * (task.input_size + 1) == published


@pytest.mark.parametrize(("T", "published"), [(4, 36), (10, 144), (100, 10404)])
def test_the_rtrl_nets_of_experiment_2a(T, published):
    """One hidden unit that reads the inputs and itself; the outputs read the inputs and the unit."""
    task = task_of(settings_of(["task=noise_free_lag", f"task.T={T}"]))
    assert (task.input_size + 1) + task.output_size * (task.input_size + 1) == published


def test_the_net_of_the_continual_grammar():
    """4 blocks of 2 (Gers et al. 2000): cells and three gates a block read inputs and cells, gates with a bias."""
    task = task_of(settings_of(["task=continual_embedded_reber"]))
    I, O, cells, gates = task.input_size, task.output_size, 8, 12  # noqa: E741
    assert cells * (I + cells) + gates * (I + cells + 1) + O * (I + cells + 1) == 424


def test_the_net_of_the_timing_tasks():
    """One cell with peepholes (Gers et al. 2002): four units read input, cell output and bias; three peepholes."""
    for name in ("spike_delay", "timed_spikes", "periodic_function"):
        task = task_of(settings_of([f"task={name}"]))
        assert 4 * (task.input_size + 1 + 1) + 3 + task.output_size * 2 == 17
