"""On-line, a run gives the same bits alone and beside others, in any lane, on any number of threads."""

import copy

import pytest
import torch
from online_runs import INPUTS, flat, model_of, sequences, trained

from longlag.engine.native import online_call
from longlag.engine.native.online import Descent, OnlineRuns

KINDS = [
    ("lstm_peephole", "every", "logistic", "back", "sequence"),
    ("gru", "last", "softmax", "back", "sequence"),
    ("irnn", "every", "linear", "back", "sequence"),
    ("lstm_1997-full", "last", "logistic", "back", "sequence"),
    ("lstm_1997", "last", "logistic", "traces", "sequence"),
    ("lstm_1997", "every", "softmax", "traces", "sequence"),
    ("lstm_1997", "every", "logistic", "traces", "step"),
    ("lstm_1997-no_output_gate", "every", "softmax", "traces", "step"),
    ("lstm_forget_2000-blocks", "last", "logistic", "traces", "sequence"),
    ("lstm_forget_2000-blocks", "every", "softmax", "traces", "step"),
]


@pytest.fixture(params=KINDS, ids="-".join)
def kind(request):
    return request.param


@pytest.fixture
def threads():
    """Set the number of threads; afterwards it is what it was."""
    before = torch.get_num_threads()
    yield torch.set_num_threads
    torch.set_num_threads(before)


def population(kind, R, dtype=torch.float32):
    """R runs, each with weights, sequences, lengths and a descent of its own."""
    name, readout, loss, way, update = kind
    models = [model_of(name, readout, seed=seed, dtype=dtype) for seed in range(R)]
    sizes = [(5 + 3 * k % 11, 4 + 7 * k % 38) for k in range(R)]
    batches = [
        sequences(N, L, loss, readout == "every", seed=k, dtype=dtype, inputs=INPUTS) for k, (N, L) in enumerate(sizes)
    ]
    descents = [Descent(0.02 * (k % 3 + 1), momentum=0.4 * (k % 2), decay=1 - 0.01 * (k % 5)) for k in range(R)]
    return models, batches, loss, descents, {"way": way, "update": update}


def together(runs, order):
    models, batches, loss, descents, how = runs
    return trained([models[k] for k in order], [batches[k] for k in order], loss, [descents[k] for k in order], **how)


def assert_same_bits(got, wanted):
    for parts in zip(got, wanted, strict=True):
        for one, other in zip(*parts, strict=True):
            assert torch.equal(one.nan_to_num(7), other.nan_to_num(7))


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_a_run_gives_the_bits_that_it_gives_alone(kind, dtype):
    runs = population(kind, 20, dtype)
    alone = [together(runs, [k])[0] for k in range(20)]
    assert_same_bits(together(runs, range(20)), alone)
    assert_same_bits(together(runs, [19, 3, 7]), [alone[k] for k in (19, 3, 7)])
    assert_same_bits(together(runs, range(19, -1, -1)), alone[::-1])


@pytest.mark.parametrize("at", [0, 4, 9])
def test_a_run_whose_inputs_are_symbols_gives_the_bits_that_it_gives_alone(at):
    runs = population(KINDS[at], 11)
    draws = torch.Generator().manual_seed(0)
    runs[1][:] = [
        batch._replace(inputs=torch.randint(INPUTS, batch.inputs.shape[:2], generator=draws)) for batch in runs[1]
    ]
    assert_same_bits(together(runs, range(11)), [together(runs, [k])[0] for k in range(11)])


@pytest.mark.parametrize("whose", ["PyTorch's", "its own"])
def test_the_number_of_threads_changes_no_bit(whose, threads, monkeypatch):
    if whose == "its own":
        monkeypatch.setattr(online_call, "team", lambda: None)
    runs = population(KINDS[4], 40)
    threads(1)
    wanted = together(runs, range(40))
    for count in (2, 5):
        threads(count)
        assert_same_bits(together(runs, range(40)), wanted)


def test_a_run_that_diverges_ends_and_touches_no_other(kind):
    runs = population(kind, 6)
    models, batches, _, descents, _ = runs
    wanted = together(runs, range(6))
    batches[2].inputs[3, 0] = torch.nan
    descents[4] = Descent(1e30)
    for parameter in models[5].parameters():
        parameter.data.fill_(torch.inf)
    got = together(runs, range(6))
    assert_same_bits([got[k] for k in (0, 1, 3)], [wanted[k] for k in (0, 1, 3)])
    assert_same_bits([got[2]], together(runs, [2]))
    assert torch.equal(got[2][1][:3], wanted[2][1][:3])
    assert got[2][1][3:].isnan().all()
    assert got[2][0].isfinite().all(), "the weights are those before the sequence, or the step, that was not finite"
    assert_same_bits([got[4]], together(runs, [4]))


def test_how_many_sequences_were_learned_is_told():
    models, batches, loss, descents, _ = population(KINDS[0], 2)
    batches[1].inputs[3, 0] = torch.nan
    runs = OnlineRuns(models, loss, descents)
    assert [result.learned for result in runs.train(batches)] == [len(batches[0].inputs), 3]
    assert [runs.state(k).sequences for k in (0, 1)] == [len(batches[0].inputs), 3]


def test_runs_come_and_go(kind):
    """Between two calls one is taken out and another added; one that went on elsewhere comes back."""
    models, batches, loss, descents, how = population(kind, 4)
    alone = [trained([models[k]], [batches[k]], loss, descents[k], **how)[0] for k in range(4)]
    models = [copy.deepcopy(model) for model in models]
    first, second = ([batch.select(part) for batch in batches] for part in (slice(0, 3), slice(3, None)))
    runs = OnlineRuns(models[:3], loss, descents[:3], **how)
    runs.train(first[:3])
    state = runs.remove(1)
    runs.add(models[3], descents[3])
    runs.train([second[0], second[2], first[3]])
    runs.remove(0)
    runs.add(models[1], descents[1], state)
    runs.train([second[2].select(slice(0, 0)), second[3], second[1]])
    runs.store()
    for k in range(4):
        assert torch.equal(flat(models[k]), alone[k][0])
