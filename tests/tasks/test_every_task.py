"""What holds for every task: one test for each YAML in conf/task, a newcomer's too."""

import copy
import functools

import pytest
import torch

from longlag import build_model, build_task, compose
from longlag.audit.constant import best_constant
from longlag.flow.early_gradient import early_gradient
from longlag.settings.compose import conf_dir
from longlag.task import Batch

NAMES = sorted(path.stem for path in (conf_dir() / "task").glob("*.yaml"))
SPLITS = ("train", "val", "test", "probe")
#: Streams as long as those of training: 10,000 symbols say no more here than 500 do.
SHORT = {
    "continual_embedded_reber": ["task.eval_symbols=500"],
    "continual_temporal_order": ["task.eval_sequences=10"],
}
ALL_THE_SAME = {"periodic_function", "periodic_rectangle", "periodic_triangle"}


@functools.cache
def settings(name, *overrides):
    return compose(f"task={name}", *SHORT.get(name, []), "cell.hidden_size=4", *overrides)


def made(name, *overrides):
    return build_task(settings(name, *overrides))


def batches_equal(one, other):
    return all(torch.equal(a, b) for a, b in zip(one, other, strict=True))


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("T", [16, 40])
def test_a_grid_over_the_lag_works_and_batches_are_what_the_contract_says(name, T):
    task = made(name, f"task.T={T}")
    assert task.T == T
    for split in SPLITS:
        batch = task.draw(split, 0, 5)
        B, L, I = batch.inputs.shape  # noqa: E741 -- the field's names
        assert (5, task.input_size) == (B, I)
        assert batch.inputs.dtype == torch.float32
        assert batch.lengths.shape == (5,)
        assert batch.mask.shape == (5, L)
        assert batch.mask.dtype == torch.bool
        assert ((batch.lengths >= 1) & (batch.lengths <= L)).all()
        past = torch.arange(L) >= batch.lengths[:, None]
        assert not batch.mask[past].any()
        assert batch.mask.any(1).all()
        assert not batch.inputs[past].any()
        if task.readout == "last":
            assert batch.mask.sum(1).tolist() == [1] * 5
            assert batch.mask[torch.arange(5), batch.lengths - 1].all()
        cues = task.cues(batch)
        assert cues.shape == batch.mask.shape
        wanted = task.wanted(batch)
        assert wanted.shape == ((5, task.output_size) if task.readout == "last" else (5, L, task.output_size))


@pytest.mark.parametrize("name", NAMES)
def test_the_names_of_inputs_and_outputs_are_as_many_as_there_are(name):
    task = made(name)
    assert len(task.alphabet or task.channels) == task.input_size
    assert not (task.alphabet and task.channels)
    assert len(task.answers) in (0, task.output_size)
    if task.alphabet:
        batch = task.draw("train", 0, 20)
        valid = torch.arange(batch.inputs.shape[1]) < batch.lengths[:, None]
        assert (batch.inputs.sum(-1)[valid] == 1).all()
        assert set(batch.inputs.unique().tolist()) <= {0.0, 1.0}


@pytest.mark.parametrize("name", NAMES)
def test_a_batch_is_a_pure_function_of_seed_split_and_number(name):
    """Whatever was drawn before it, and each split and seed with sequences of its own."""
    overrides = ["task.splits.batch_size=64", "task.splits.train_size=null"]
    task, other = made(name, *overrides), made(name, *overrides)
    for k in range(3):
        task.train_batch(k)
    assert batches_equal(task.train_batch(3), other.train_batch(3))
    if name in ALL_THE_SAME:
        return
    drawn = [made(name, *overrides, f"seed={seed}").draw(s, k, 64) for seed in (0, 1) for s in SPLITS for k in (0, 1)]
    for index, one in enumerate(drawn):
        for later in drawn[index + 1 :]:
            assert one.inputs.shape != later.inputs.shape or not batches_equal(one, later)


@pytest.mark.parametrize("name", NAMES)
def test_the_ranks_of_any_number_of_devices_share_every_batch(name):
    task = made(name, "task.splits.batch_size=6", "task.splits.train_size=null")
    batch = task.train_batch(2)
    for world in (2, 3):
        shares = [batch.select(slice(rank, None, world)) for rank in range(world)]
        for field, parts in zip(batch, zip(*shares, strict=True), strict=True):
            assert torch.equal(torch.stack(parts, dim=1).flatten(0, 1), field)


def with_padding(task, batch, steps, fill):
    """Return the batch with more steps after the longest sequence, and ``fill`` in all that is past an end."""
    n, L = batch.mask.shape
    longer = [torch.cat([x, x.new_zeros(n, steps, *x.shape[2:])], dim=1) for x in (batch.inputs, batch.mask)]
    past = torch.arange(L + steps) >= batch.lengths[:, None]
    longer[0][past] = fill
    targets = batch.targets
    if task.readout == "every":
        targets = torch.cat([targets, targets.new_zeros(n, steps, *targets.shape[2:])], dim=1)
    return Batch(longer[0], targets, batch.lengths, longer[1])


@pytest.mark.parametrize("name", NAMES)
def test_padding_changes_no_number(name):
    """Loss, judgement, the gradient of every weight and the early gradient, with 7 steps of garbage after each end."""
    chosen = settings(name, "task.T=16")
    task = build_task(chosen)
    torch.manual_seed(0)
    model = build_model(chosen, task).double()
    batch = task.draw("train", 0, 6)
    batch = batch._replace(inputs=batch.inputs.double())
    found = []
    for given in (batch, with_padding(task, batch, 7, fill=3.0)):
        twin = copy.deepcopy(model)
        outputs = twin(given.inputs, given.lengths)
        loss = task.loss(outputs, given)
        loss.backward()
        gradients = [p.grad for p in twin.parameters()]
        early = early_gradient(twin, given.inputs, given.lengths, given.mask)
        found.append((loss.detach(), gradients, task.judge(outputs.detach(), given), torch.tensor(early)))
    torch.testing.assert_close(found[1], found[0], rtol=1e-12, atol=1e-15)
    assert found[0][3] > 0


@pytest.mark.parametrize("name", NAMES)
def test_a_batch_is_judged_sequence_by_sequence(name):
    """Each sequence alone, without its padding: the loss of the batch is their mean, the figures are theirs."""
    chosen = settings(name, "task.T=16")
    task = build_task(chosen)
    torch.manual_seed(1)
    model = build_model(chosen, task).double()
    batch = task.draw("train", 0, 6)
    batch = batch._replace(inputs=batch.inputs.double())
    with torch.no_grad():
        outputs = model(batch.inputs, batch.lengths)
        together, figures = task.loss(outputs, batch), task.judge(outputs, batch)
        alone = []
        for row, length in enumerate(batch.lengths.tolist()):
            one = batch.select(slice(row, row + 1))
            targets = one.targets[:, :length] if task.readout == "every" else one.targets
            one = Batch(one.inputs[:, :length], targets, one.lengths, one.mask[:, :length])
            outputs = model(one.inputs, one.lengths)
            alone.append((task.loss(outputs, one), task.judge(outputs, one)))
    torch.testing.assert_close(torch.stack([loss for loss, _ in alone]).mean(), together, rtol=1e-12, atol=0)
    for key, values in figures.items():
        torch.testing.assert_close(torch.cat([judged[key] for _, judged in alone]), values, rtol=1e-12, atol=0)


@pytest.mark.parametrize("name", NAMES)
def test_a_constant_output_reaches_the_chance_level_and_no_more(name):
    """The best constant found on some validation sequences, measured on others, against the level that is stated."""
    n = 1 if name in ALL_THE_SAME else 20 if name.startswith(("continual", "timed")) else 4000
    overrides = ["task.T=20"] if name in ("noise_free_lag", "random_lag", "distractor_lag") else []
    task = made(name, *overrides, "task.splits.train_size=null")  # so that no strings are left out
    found, fresh = task.draw("val", 0, n), task.draw("val", 1, n)
    constant = best_constant(task, found, fresh)
    answers = n * (int(fresh.mask[0].sum()) if name.startswith(("continual", "timed")) else 1)
    deviation = (task.chance_accuracy * (1 - task.chance_accuracy) / answers) ** 0.5
    assert abs(constant.accuracy - task.chance_accuracy) <= 5 * deviation + 1e-6
    assert constant.loss == pytest.approx(task.chance_loss, rel=0.05)


@pytest.mark.parametrize("name", NAMES)
def test_loss_and_judgement_stay_on_the_device_of_the_batch(name):
    """On the meta device, which refuses what is made on the CPU as a GPU would."""
    task = made(name, "task.T=16")
    batch = task.draw("train", 0, 3).to(torch.device("meta"))
    shape = (3, task.output_size) if task.readout == "last" else (*batch.mask.shape, task.output_size)
    outputs = torch.zeros(shape, device="meta")
    assert task.loss(outputs, batch).device.type == "meta"
    assert all(values.device.type == "meta" for values in task.judge(outputs, batch).values())


@pytest.mark.parametrize("name", NAMES)
def test_the_defaults_of_the_process_do_not_change_what_is_drawn(name):
    drawn = [made(name).draw(split, 0, 5) for split in SPLITS]
    for dtype in (torch.float64, torch.bfloat16):
        before = torch.get_default_dtype()
        torch.set_default_dtype(dtype)
        try:
            again = [made(name).draw(split, 0, 5) for split in SPLITS]
        finally:
            torch.set_default_dtype(before)
        assert all(batches_equal(one.cast(dtype), other) for one, other in zip(drawn, again, strict=True))
        assert {batch.inputs.dtype for batch in again} == {dtype}
    task = made(name)
    with torch.device("meta"):
        again = [task.draw(split, 0, 5) for split in SPLITS]
    assert all(map(batches_equal, drawn, again))


DRAW_SYMBOLS = [name for name in NAMES if made(name).draws_symbols]


@pytest.mark.parametrize("name", DRAW_SYMBOLS)
def test_symbols_are_the_one_hot_inputs_of_the_same_sequences(name):
    task, beside = made(name), made(name)
    for first, count in ((0, 5), (250, 20)):
        vectors, symbols = task.train_sequences(first, count), beside.train_sequences(first, count, symbols=True)
        assert not symbols.inputs.is_floating_point()
        assert batches_equal(vectors, beside.with_vectors(symbols))


def test_a_task_of_symbols_says_so():
    assert DRAW_SYMBOLS == ["distractor_lag", "embedded_reber", "noise_free_lag", "random_lag", "temporal_order"]
    adding, draws = made("adding"), torch.Generator()
    with pytest.raises(NotImplementedError, match="Adding draws no symbols"):
        adding.sample_symbols(1, draws)
