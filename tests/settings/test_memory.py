"""What cannot fit is refused before anything is drawn or built; what fits is not."""

import time

import pytest
import torch

from longlag import build_model, build_task, compose
from longlag.engine.native import autograd, buffers
from longlag.settings import memory
from longlag.settings.build import components_of
from longlag.settings.compose import conf_dir
from longlag.settings.memory import Machine, check_run

BEYOND = 10**23
TASKS = sorted(path.stem for path in (conf_dir() / "task").glob("*.yaml"))
CELLS = sorted(path.stem for path in (conf_dir() / "cell").glob("*.yaml"))

REFUSED = [
    (["train", f"trainer.log_every_n_steps={BEYOND}"], "trainer.log_every_n_steps is larger than any number of a run"),
    (["train", f"trainer.val_check_interval={BEYOND}"], "trainer.val_check_interval is larger than any number"),
    (["train", f"optimizer.lr={BEYOND}"], "optimizer.lr is larger than any number of a run"),
    (["train", "-m", f"trainer.gradient_clip_val=1,{BEYOND}"], "trainer.gradient_clip_val is larger than any number"),
    (["train", f"task.T={BEYOND}"], "task.T: a sequence takes about 4e+14 GB of memory, and there are "),
    (["train", f"task.T={10**400}"], "task.T: a sequence takes about "),
    (["train", "task.T=1000000000"], "this run takes about "),
    (["train", f"task.splits.val_size={BEYOND}"], "task: val_size must be at most 2^30: then the sequences repeat, "),
    (["train", f"task.splits.test_size={BEYOND}"], "task: test_size must be at most 2^30: then the sequences repeat"),
    (["train", "task/splits=endless", f"task.splits.batch_size={BEYOND}"], "task: batch_size must be at most 2^30"),
    (["train", "task.splits.train_size=1073741824"], "this run takes about "),
    (["train", "task/splits=endless", "task.splits.batch_size=536870912"], "this run takes about "),
    (["train", f"probe.size={BEYOND}"], "this run takes about "),
    (["train", "probe=early_gradient", f"probe.size={10**400}"], "this run takes about "),
    (["train", f"model.layers={BEYOND}"], f"model.layers={BEYOND} takes about 2e+17 GB of memory"),
    (["train", "model.layers=1000000000", "cell=gru"], "model.layers=1000000000 takes about 2,000 GB of memory, and"),
    (["train", f"cell.hidden_size={BEYOND}"], f"cell.hidden_size={BEYOND} takes about "),
    (["train", "cell.hidden_size=1000000", "task.splits.batch_size=1"], "a model of 1 layer with cell.h"),
    (["train", "cell=rnn", "cell.hidden_size=1000000000000"], "cell.hidden_size=1000000000000 takes about 4,000 GB "),
    (["train", "cell=lru", f"cell.state_size={BEYOND}"], f"cell.state_size={BEYOND} takes more memory than any"),
    (["train", "cell=mlstm", "cell.hidden_size=100000", "cell.heads=1"], "this run takes about "),
    (["train", "cell=lstm_1997", "cell.hidden_size=10000000"], "a model of 1 layer with cell.hidden_size=10000000"),
    (["train", "--dry-run", "-m", f"task.T=60,{BEYOND}"], "task.T: a sequence takes about "),
    (["train", "-m", "hydra/launcher=slurm", f"task.T=60,{BEYOND}"], "task.T: a sequence takes about 4e+14 GB of mem"),
    (["train", "task=noise_free_lag", "task.T=2000000"], "task: T must be at most 1048576 (each symbol has an input "),
    (["train", "task=noise_free_lag", "task.T=100000"], "this run takes about "),
    (["train", "task=copy_memory", f"task.symbols={BEYOND}"], "task: symbols must be at most 1048576 (each symbol has"),
    (["train", "task=periodic_function", f"task.eval_periods={BEYOND}"], "this run takes about "),
    (["train", "task=spike_delay", f"task.spikes={BEYOND}"], "this run takes about "),
    (["audit", f"task.T={BEYOND}"], "task.T: a sequence takes about "),
    (["audit", "task=parity", "task.longest=10000000000"], "task: a draw of 256 val sequences of 500000002"),
    (["audit", f"--window={BEYOND}"], "--window takes about "),
    (["show", f"task.T={BEYOND}"], "task.T: a sequence takes about "),
    (["show", "task.T=1000000000"], "task: a draw of 256 train sequences of 1000000000 steps takes"),
    (["check", f"cell.hidden_size={BEYOND}"], f"cell.hidden_size={BEYOND} takes about "),
    (["check", "cell=gru", "cell.hidden_size=10000000"], "a model of 1 layer with cell.hidden_size=10000000"),
    (["bench", "cell=lstm", f"H={10**18}"], f"cell.hidden_size={10**18} takes about "),
    (["bench", "cell=lstm", "H=4", f"B={10**17}"], f"lstm H=4 B={10**17} T=100 R=1 takes about 8e+10 GB of memory"),
    (["bench", "cell=lstm", "H=4", f"R=1,{10**12}"], f"lstm H=4 B=32 T=100 R={10**12} takes about "),
    (["bench", "cell=lstm", "H=10000000"], "a model of 1 layer with cell.hidden_size=10000000"),
]  # fmt: skip


@pytest.mark.parametrize(("arguments", "message"), REFUSED, ids=[" ".join(a)[:60] for a, _ in REFUSED])
def test_what_cannot_fit_is_one_line_and_costs_neither_time_nor_a_folder(longlag, tmp_path, arguments, message):
    began = time.monotonic()
    said = longlag(*arguments)
    assert said.code == 2
    assert said.err.startswith(f"longlag: {message}")
    assert said.err.count("\n") == 1
    assert list(tmp_path.iterdir()) == []
    assert time.monotonic() - began < 10


def test_the_jacobian_of_more_than_there_is_room_for_is_refused(longlag, tiny, monkeypatch):
    assert longlag("train", *tiny).code == 0
    (run,) = (path.parent for path in __import__("pathlib").Path("outputs").glob("*/*/config.yaml"))
    assert longlag("jacobian", str(run)).code == 0
    monkeypatch.setattr(memory, "this_machine", lambda: Machine(5000))
    said = longlag("jacobian", str(run), "--sequences", "100")
    assert (said.code, said.err.count("\n")) == (2, 1)
    assert said.err.startswith(
        "longlag: task: a draw of 100 probe sequences of 8 steps takes about 7.2e-06 GB of memory"
    )


@pytest.mark.parametrize("name", TASKS)
def test_the_estimate_of_the_sequences_is_no_more_than_they_take_and_not_much_less(name):
    task = build_task(compose(f"task={name}", "task.T=40"))
    for split in ("train", "val", "probe"):
        batch = task.draw(split, 0, 8)
        taken = sum(field.nbytes for field in batch)
        estimate = 8 * memory._of_a_sequence(task, split)
        assert estimate <= taken
        assert task.steps(split) <= batch.inputs.shape[1]
        assert estimate >= taken / 4


@pytest.mark.parametrize("engine", ["auto", "eager"])
@pytest.mark.parametrize("cell", CELLS)
def test_the_estimate_of_what_layers_keep_is_no_more_than_they_keep(cell, engine, monkeypatch):
    settings = compose(f"cell={cell}", f"engine={engine}", "task.T=30", "cell.hidden_size=16", "model.layers=2")
    task = build_task(settings)
    model = build_model(settings, task)
    kept = {}

    class Counted(buffers.Loan):  # what the native engine keeps beside the tensors that autograd knows
        def __init__(self, count, dtype):
            super().__init__(count, dtype)
            kept[id(self)] = count * dtype.itemsize

    monkeypatch.setattr(autograd, "Loan", Counted)

    def keep(tensor):
        kept[tensor.untyped_storage().data_ptr()] = tensor.untyped_storage().nbytes()
        return tensor

    batch = task.draw("train", 0, 8)
    with torch.autograd.graph.saved_tensors_hooks(keep, lambda tensor: tensor):
        model(batch.inputs, batch.lengths)
    own = sum(parameter.nbytes for parameter in model.parameters()) + batch.inputs.nbytes
    estimate = 8 * memory._kept(settings, task, "train", 4, components_of(settings)["cell"].cls)
    assert 0 < estimate <= sum(kept.values()) - own


@pytest.mark.parametrize("cell", CELLS)
def test_parameters_are_counted_without_making_them(cell, monkeypatch):
    monkeypatch.setattr(memory, "this_machine", lambda: Machine(10**6))
    settings = compose(f"cell={cell}", "cell.hidden_size=16", "model.layers=3")
    task = build_task(settings)
    model = build_model(settings, task)
    before = torch.get_rng_state()
    counted = memory.check_model(settings, task.input_size, lambda size: model.cells[0 if size == 2 else 1], None)
    assert torch.equal(torch.get_rng_state(), before)
    assert counted.parameters == sum(parameter.numel() for parameter in model.cells.parameters())


def test_a_run_that_just_fits_is_not_refused_and_the_message_names_the_largest_part():
    """The default run takes some megabytes."""
    settings = compose()
    task, cell = build_task(settings), components_of(settings)["cell"].cls
    check_run(settings, task, cell, memory.Size(4546, 64), Machine(20 * 10**6))
    with pytest.raises(memory.RequestError, match=r"most of it for a training batch of 256 sequences on its way back"):
        check_run(settings, task, cell, memory.Size(4546, 64), Machine(10**6))


def test_a_gpu_holds_the_model_and_not_the_sequences():
    settings = compose("trainer=gpu", "task.splits.train_size=25600000")
    task, cell = build_task(settings), components_of(settings)["cell"].cls
    check_run(settings, task, cell, memory.Size(4546, 64), Machine(10**11, 10**9))
    with pytest.raises(memory.RequestError, match="25600000 training sequences of 60 steps"):
        check_run(settings, task, cell, memory.Size(4546, 64), Machine(10**9, 10**11))
    with pytest.raises(memory.RequestError, match="a training batch of 256 sequences"):
        check_run(settings, task, cell, memory.Size(4546, 64), Machine(10**11, 10**6))
