import subprocess
import sys

import pytest
import torch
from printed import runs

from longlag.errors import RequestError

WRONG = [
    (["cell=nope"], "no cell 'nope'; there are: causal_attention, gru, irnn"),
    (["task=nope"], "no task 'nope'; there are: adding, adding_sum"),
    (["trainer=tpu"], "no trainer 'tpu'; there are: cpu, ddp, ddp_cpu, gpu"),
    (["task.T=2"], "task: T must be an integer of at least 3 (2 bits and a gap), got 2"),
    (["task.T=long"], "task: T must be an integer of at least 3 (2 bits and a gap), got 'long'"),
    (["cell.hidden_size=0"], "cell: hidden_size must be a positive integer, got 0"),
    (["cell.hiden_size=8"], "no key 'cell.hiden_size'; did you mean cell.hidden_size?"),
    (["trainer.max_step=8"], "no key 'trainer.max_step'; did you mean trainer.max_steps or trainer.max_time?"),
    (["hidden_size=8"], "no key 'hidden_size'; did you mean cell.hidden_size?"),
    (["sed=8"], "no key 'sed'; did you mean seed or task.splits.seed?"),
    (["cel=rnn"], "no key 'cel'; did you mean cell?"),
    (["+cell.depth=2"], "cell: longlag.cells.LSTMCell takes no 'depth' (~cell.depth leaves it out)"),
    (["init=nope"], "no init 'nope'; there are: chrono, constant, staggered, uniform"),
    (["init=chrono", "init.T_max=1"], "init: T_max must be an integer of at least 2, got 1"),
    (["init=uniform", "cell.hidden_size=1"], "init: uniform gates need at least two hidden units"),
    (["model.layers=0"], "model.layers must be a positive integer, got 0"),
    (["model.layer=2"], "no key 'model.layer'; did you mean model.layers?"),
    (["+model.depth=2"], "model: longlag.model.SequenceModel takes no 'depth'"),
    (["cell.forget_bias=nan"], "cell: forget_bias must be a number, got nan"),
    (["init=staggered", "init.last=inf"], "init: last must be a number, got inf"),
    (["model.residual=maybe"], "model: residual must be true or false, got 'maybe'"),
    (["model.readout_bias=no"], "model: readout_bias must be true or false, got 'no'"),
    (["+model.engine=scan"], "model.engine is not a setting: engine=… says it"),
    (["+model.readout=every"], "model.readout is not a setting: the task says it"),
    (["model.dropout=1"], "model: dropout must be at least 0 and less than 1, got 1"),
    (["engine=torch", "cell=lstm_coupled"], "engine: engine=torch runs LSTMCell, GRUCell, RNNCell, IRNNCell; Coupled"),
    (["engine=warp"], "engine: engine must be one of auto, eager, native, torch, scan, compiled, triton; got 'warp'"),
    (["optimizer.lr=-1"], "optimizer: Invalid learning rate: -1"),
    (["trainer.max_steps=0"], "trainer.max_steps must be a positive integer, got 0"),
    (["trainer.precision=31"], "trainer: Precision 31 is invalid."),
    (["trainer.gradient_clip_algorithm=cut"], "trainer: `gradient_clip_algorithm` cut is invalid."),
    (["task.splits.batch_size=100"], "task: train_size must be a multiple of batch_size, got 256 and 100"),
    (["trainer=ddp_cpu", "task.splits.batch_size=1", "task.splits.train_size=1"],
     "task.splits.batch_size must be a multiple of the 2 devices, got 1"),
    (["resume=nowhere"], "resume: nowhere holds no run: no config.yaml (No such file or directory)"),
    (["logger.mode=dryrun"], "logger: mode must be offline or online, got 'dryrun' (logger=csv does without W&B)"),
    (["task.T="], "task: T must be an integer of at least 3 (2 bits and a gap), got ''"),
    (["seed=[1"], "cannot read 'seed=[1': no viable alternative at input '[1'"),
    (["-m", "task.T=60,2"], "task: T must be an integer of at least 3 (2 bits and a gap), got 2"),
    (["-m", "cell=lstm,nope"], "no cell 'nope'; there are: causal_attention, gru, irnn"),
    (["trainer.val_check_interval=0"], "trainer.val_check_interval must be a positive integer, got 0"),
    (["trainer.val_check_interval=0.5"], "trainer.val_check_interval must be a positive integer, got 0.5"),
    (["trainer.log_every_n_steps=0"], "trainer.log_every_n_steps must be a positive integer, got 0"),
    (["trainer.accumulate_grad_batches=3"], "trainer.val_check_interval must be a multiple of accumulate"),
    (["+trainer.max_epochs=3"], "trainer.max_epochs is not a setting: a run counts steps, trainer.max_steps=… (~tra"),
    (["+trainer.num_nodes=2"], "trainer.num_nodes must be 1 without -m and hydra/launcher=slurm, got 2"),
    (["+trainer.num_nodes=2", "hydra/launcher=slurm"], "trainer.num_nodes must be 1 without -m and hydra/l"),
    (["-m", "+trainer.num_nodes=1,2", "hydra/launcher=local"], "trainer.num_nodes must be 1 without -m and h"),
    (["-m", "+trainer.num_nodes=0", "hydra/launcher=slurm"], "trainer.num_nodes must be a positive integer, got 0"),
    (["-m", "+trainer.num_nodes=3", "hydra/launcher=slurm", "trainer=ddp_cpu"],
     "task.splits.batch_size must be a multiple of the 6 devices, got 256"),
    (["trainer.strategy=ddp_spawn"], "trainer.strategy=ddp_spawn: the ranks are processes of their own; ddp does it"),
    (["trainer.accelerator=warp"], "trainer: "),
    (["trainer.precision=transformer-engine"], "trainer: "),
    (["trainer=ddp_cpu", "task.splits.val_size=1"], "task.splits.val_size must be at least the 2 devices, got 1"),
    (["seed=-1"], "seed must be an integer from 0 to 4294967295, got -1"),
    (["seed=99999999999"], "seed must be an integer from 0 to 4294967295, got 99999999999"),
    (["fresh=no"], "fresh must be true or false, got 'no'"),
    (["stop_when_solved=1"], "stop_when_solved must be true or false, got 1"),
    (["logger.project='a/b'"], "logger: project must be a name without spaces and any of / \\ # ? % :, got 'a/b'"),
    (["study=null"], "study must be a name, got None"),
    (["cell=null"], "cell=null: a choice is a name; there are: causal_attention, gru, irnn"),
    (["task.splits=endless"], "task.splits is a group: task/splits=endless makes a choice in it"),
    (["~logger"], "no logger: it cannot be left out"),
    (["~seed"], "no seed: it cannot be left out"),
    (["+callbacks.x=1"], "callbacks.x must be a mapping with a _target_, got 1"),
    (["+x=1"], "no key 'x'"),
    (["+stop_when_solve=1"], "no key 'stop_when_solve'; did you mean stop_when_solved?"),
    (["=3"], "no key before the = in '=3'"),
    (["cell._target_=os.getcwd"], "cell: os.getcwd"),
    (["cell._target_=nowhere.Cell"], "cannot import nowhere.Cell: ModuleNotFoundError: No module named 'nowhere'"),
    (["--foo"], "no flag --foo; longlag train --help shows them"),
    (["--multrun"], "no flag --multrun; did you mean --multirun"),
    (["--cfg"], "--cfg wants a value"),
    (["-m", "--cfg", "job"], "Only one of --run, --multirun, --cfg, --info and --shell_completion can be specified"),
    (["trainer.num_nodes=2"], "no key 'trainer.num_nodes'; +trainer.num_nodes=… adds an argument of lightning.Trainer"),
    (["hydra.job.chdir=true"], "hydra.job.chdir must be false: the folder of a run follows from its settings"),
    (["-m", "study=null,a"], "study must be a name, got None"),
    (["seed=0", "-m", "task.T=3,2"], "task: T must be an integer of at least 3 (2 bits and a gap), got 2"),
    (["task=ading"], "no task 'ading'; there are: adding, "),
    (["task=adding", "task.T=5"], "task: T must be an integer of at least 6 (two pairs to mark"),
    (["task=embedded_reber", "task.T=8"], "task: T must be an integer of at least 9 (the shortest string"),
    (["task=distractor_lag", "task.p=0"], "task: p must be an integer of at least 1 (different distractors), got 0"),
    (["task=distractor_lag", "task.T=0"], "task: T must be an integer of at least 1 (distractors), got 0"),
    (
        ["task=distractor_lag", "task.trigger_probability=1.5"],
        "task: trigger_probability must be a number above 0 and at most 1, got 1.5",
    ),
    (["task=two_sequence", "task.signal=100"], "task: T must be an integer of at least 101 (signal=100 elements"),
    (["task=two_sequence", "task.class_targets=[]"], "task: class_targets must be two different numbers, got []"),
    (["task=temporal_order", "task.symbols=4"], "task: symbols must be an integer from 2 to 3, got 4"),
    (["task=copy_memory", "task.variable_gap=maybe"], "task: variable_gap must be true or false, got 'maybe'"),
    (["task=associative_recall", "task.power=0"], "task: power must be a number above 0 and at most 1, got 0"),
    (["-m", "task=adding,latch", "task.T=10,5,2"], "task: T must be an integer of at least 6 (two pairs to mark"),
    (["task.T=3,4"], "task.T=3,4 is a grid; longlag train -m runs one"),
]  # fmt: skip


@pytest.mark.parametrize(("arguments", "message"), WRONG, ids=[" ".join(a) for a, _ in WRONG])
def test_wrong_requests_are_one_line_and_cost_no_run(longlag, arguments, message, tmp_path):
    said = longlag("train", *arguments)
    assert said.code == 2
    assert said.err.startswith(f"longlag: {message}")
    assert said.err.count("\n") == 1
    assert list(tmp_path.iterdir()) == []  # not even a folder


def test_a_name_that_is_nearly_right_is_named(longlag):
    assert longlag("train", "task=ading").err.endswith("; did you mean adding?\n")


@pytest.mark.skipif(torch.cuda.is_available(), reason="there is a GPU here")
@pytest.mark.parametrize("trainer", ["gpu", "ddp"])
def test_a_gpu_where_there_is_none(longlag, trainer):
    said = longlag("train", f"trainer={trainer}")
    assert (said.code, said.err.count("\n")) == (2, 1)
    assert said.err.startswith("longlag: trainer: No supported gpu backend found")


def test_an_output_folder_that_cannot_be_written_to(longlag, tmp_path):
    (tmp_path / "file").write_text("in the way")
    for arguments in (["output_dir=file"], ["-m", "output_dir=file", "seed=0,1"], ["output_dir=/proc/nowhere"]):
        said = longlag("train", *arguments)
        assert (said.code, said.err.count("\n")) == (2, 1)
        assert said.err.startswith("longlag: cannot write to ")


@pytest.mark.parametrize("arguments", [["cell._target_=nowhere.Cell"], ["~seed"], ["-m", "cell=lstm,nope"], ["--foo"]])
def test_wrong_requests_are_one_line_in_a_process_of_their_own(tmp_path, arguments):
    """Without the handlers that pytest puts on the root logger, which would hide what a library writes to stderr."""
    result = subprocess.run(
        [sys.executable, "-m", "longlag", "train", *arguments],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
    )
    assert (result.returncode, result.stdout, result.stderr.count("\n")) == (2, "", 1), result.stderr


def test_the_traceback_of_a_wrong_request_is_there_for_who_asks(longlag, monkeypatch):
    monkeypatch.setenv("HYDRA_FULL_ERROR", "1")
    with pytest.raises(RequestError, match="no cell 'nope'"):
        longlag("train", "cell=nope")


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ("cell.hidden_size=9", "resume: cell.hidden_size cannot change; trainer.…, logger.… and stop_when_solved can"),
        ("stop_when_solved=maybe", "stop_when_solved must be true or false, got 'maybe'"),
        ("trainer.max_steps=0", "trainer.max_steps must be a positive integer, got 0"),
        ("trainer.max_step=9", "no key 'trainer.max_step'; did you mean trainer.max_steps or trainer.max_time?"),
        ("cell=rnn", "resume: cell cannot change; trainer.…, logger.… and stop_when_solved can"),
    ],
)
def test_what_a_resumed_run_may_not_change(longlag, tiny, change, message):
    longlag("train", *tiny)
    said = longlag("train", f"resume={runs()[0].folder.path}", change)
    assert (said.code, said.err) == (2, f"longlag: {message}\n")


def test_resume_from_a_folder_that_holds_something_else(longlag, tmp_path):
    (tmp_path / "config.yaml").write_text("a: 1\n")
    said = longlag("train", "resume=.")
    why = "config.yaml: it is no configuration of a run: run: Field required"
    assert (said.code, said.err) == (2, f"longlag: resume: . holds no run that can be read: {why}\n")
