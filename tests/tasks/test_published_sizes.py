"""The sizes of the tasks make the published numbers of weights.

The nets of LSTM 1997 and 2000 are made and counted in ``tests/cells/test_published_nets.py``.
"""

import pytest

from longlag import build_task, compose


@pytest.mark.parametrize(("T", "published"), [(4, 36), (10, 144), (100, 10404)])
def test_the_rtrl_nets_of_experiment_2a(T, published):
    """One hidden unit that reads the inputs and itself; the outputs read the inputs and the unit."""
    task = build_task(compose("task=noise_free_lag", f"task.T={T}"))
    assert (task.input_size + 1) + task.output_size * (task.input_size + 1) == published


def test_the_net_of_the_timing_tasks():
    """One cell with peepholes (Gers et al. 2002): four units read input, cell output and bias; three peepholes."""
    for name in ("spike_delay", "timed_spikes", "periodic_function"):
        task = build_task(compose(f"task={name}"))
        assert 4 * (task.input_size + 1 + 1) + 3 + task.output_size * 2 == 17
