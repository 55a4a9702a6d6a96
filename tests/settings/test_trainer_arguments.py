"""Every argument of lightning.Trainer is honoured, by its effect, or refused in a line that says what to use."""

import inspect
import sys

import pytest
import torch
from lightning import Trainer
from printed import runs

from longlag.runs.metrics_csv import read_metrics
from longlag.settings.trainer_arguments import HONOURED, REFUSED
from longlag.training.run_plan import _FIXED


def test_the_table_has_all_arguments_of_the_trainer_that_is_installed():
    arguments = set(inspect.signature(Trainer.__init__).parameters) - {"self"}
    assert arguments - HONOURED - set(REFUSED) == set(), "new in Lightning: honour it, or say what to use instead"
    assert (HONOURED | set(REFUSED)) - arguments == set(), "gone from Lightning"
    assert not HONOURED & set(REFUSED)
    assert {*_FIXED, "logger", "callbacks", "default_root_dir"} <= set(REFUSED)


@pytest.mark.parametrize("name", REFUSED)
def test_a_setting_that_would_do_nothing_is_refused(longlag, tmp_path, name):
    for more in ((), ("--dry-run",)):
        said = longlag("train", f"+trainer.{name}=1", *more)
        assert said.code == 2
        assert said.err == (
            f"longlag: trainer.{name} is not a setting: {REFUSED[name]} (~trainer.{name} leaves it out)\n"
        )
    assert list(tmp_path.iterdir()) == []


WRONG = [
    (["-m", "+trainer.overfit_batches=1,2"], "trainer.overfit_batches is not a setting: task.splits.train_size=N"),
    (["trainer.gradient_clip_val=nan"], "trainer.gradient_clip_val must be a number of at least 0, or null, got nan"),
    (["trainer.gradient_clip_val=-1"], "trainer.gradient_clip_val must be a number of at least 0, or null, got -1"),
    (["trainer.gradient_clip_val=-inf"], "trainer.gradient_clip_val must be a number of at least 0, or null, got -inf"),
    (["trainer.gradient_clip_val=true"], "trainer.gradient_clip_val must be a number of at least 0, or null, got True"),
    (["trainer.deterministic=maybe"], "trainer.deterministic must be true, false or warn, got 'maybe'"),
    (["+trainer.benchmark=no"], "trainer.benchmark must be true or false, got 'no'"),
    (["trainer.max_time=10"], "trainer.max_time: must be a time, 00:02:00:00 (DD:HH:MM:SS) or {hours: 2}, got 10"),
    (["trainer.max_time=00:00:00:00"], "trainer.max_time: must be a time, 00:02:00:00 (DD:HH:MM:SS) or"),
    (["trainer.max_time={hours: -1}"], "trainer.max_time: must be a time, 00:02:00:00 (DD:HH:MM:SS) or"),
    (["trainer.max_time={hours: nan}"], "trainer.max_time: must be a time, 00:02:00:00 (DD:HH:MM:SS) or"),
    (["trainer.max_time={fortnights: 1}"], "trainer.max_time: must be a time, 00:02:00:00 (DD:HH:MM:SS) or"),
    (["+callbacks.t={_target_: lightning.pytorch.callbacks.Timer, duration: '00:00:00:03'}"],
     "callbacks.t: a run has a Timer; trainer.max_time=DD:HH:MM:SS ends a run in time"),
    (["trainer=ddp_cpu", f"trainer.devices={10**23}"], f"task.splits.batch_size must be a multiple of the {10**23}"),
    (["-m", "trainer.max_time=null,00:00:00:01"], "a grid over trainer.max_steps, trainer.max_time or stop_when_sol"),
]  # fmt: skip


@pytest.mark.parametrize(("arguments", "message"), WRONG, ids=[" ".join(a) for a, _ in WRONG])
def test_wrong_values_are_one_line_and_cost_no_run(longlag, tmp_path, arguments, message):
    said = longlag("train", *arguments)
    assert said.code == 2
    assert said.err.startswith(f"longlag: {message}")
    assert said.err.count("\n") == 1
    assert list(tmp_path.iterdir()) == []


WATCHING = """
import torch
from lightning.pytorch.callbacks import Callback
from lightning.pytorch.plugins import TorchCheckpointIO


class Watching(Callback):
    def on_train_batch_end(self, trainer, pl_module, *_):
        with open("seen", "a") as file:
            flags = torch.is_anomaly_enabled(), torch.backends.cudnn.benchmark, torch.get_deterministic_debug_mode()
            print("train", *flags, file=file)

    def on_test_batch_end(self, trainer, pl_module, *_):
        with open("seen", "a") as file:
            print("test", torch.is_inference_mode_enabled(), file=file)


class Saving(TorchCheckpointIO):
    def save_checkpoint(self, checkpoint, path, storage_options=None):
        with open("seen", "a") as file:
            print("saved", file=file)
        super().save_checkpoint(checkpoint, path, storage_options)
"""


@pytest.fixture
def seen(longlag, tiny, tmp_path):
    """Train a tiny run with settings of the Trainer, and return the lines of what it met."""

    def train(*arguments):
        (tmp_path / "watching.py").write_text(WATCHING)
        (tmp_path / "seen").write_text("")
        said = longlag("train", *tiny, "+callbacks.w._target_=watching.Watching", "fresh=true", *arguments)
        assert said.code == 0, said.err
        return set((tmp_path / "seen").read_text().splitlines())

    before = torch.backends.cudnn.benchmark
    yield train
    torch.use_deterministic_algorithms(False)
    torch.backends.cudnn.benchmark = before
    sys.modules.pop("watching", None)


@pytest.mark.parametrize(
    ("argument", "there", "plain"),
    [
        ("+trainer.detect_anomaly=true", "train True False 2", "train False False 2"),
        ("+trainer.benchmark=true", "train False True 2", "train False False 2"),
        ("trainer.deterministic=warn", "train False False 1", "train False False 2"),
        ("+trainer.inference_mode=false", "test False", "test True"),
        ("+trainer.plugins={_target_: watching.Saving}", "saved", ""),
    ],
)
def test_an_argument_that_is_honoured_acts(seen, argument, there, plain):
    without, with_it = seen(), seen(argument)
    assert there not in without
    assert there in with_it
    assert plain == "" or (plain in without and plain not in with_it)


@pytest.mark.parametrize(
    ("arguments", "norms"),
    [
        ((), None),
        (("trainer.gradient_clip_val=1e-4",), 1e-4),
        (("trainer.gradient_clip_val=1e-5", "trainer.gradient_clip_algorithm=value"), 1e-5),
    ],
)
def test_gradients_are_clipped_as_asked(longlag, tiny, arguments, norms):
    assert longlag("train", *tiny, "trainer.log_every_n_steps=1", *arguments).code == 0
    (run,) = runs()
    rows = [row for row in read_metrics(run.folder.metrics).values() if "train/grad_norm" in row]
    assert len(rows) == 6, "the cadence of logging"
    for row in rows:
        before, after = row["train/grad_norm"], row["train/grad_norm_clipped"]
        if norms is None:
            assert after == before
        elif "trainer.gradient_clip_algorithm=value" in arguments:
            assert norms <= after < before
            assert after <= norms * run.summary["parameters"] ** 0.5 * 1.001
        else:
            assert after == pytest.approx(norms, rel=1e-2)


@pytest.mark.parametrize(("precision", "dtype"), [("64-true", torch.float64), ("32-true", torch.float32)])
def test_the_weights_have_the_precision_that_was_asked_for(longlag, tiny, precision, dtype):
    assert longlag("train", *tiny, f"trainer.precision={precision}").code == 0
    (run,) = runs()
    stored = torch.load(run.folder.last_checkpoint, weights_only=True)["state_dict"]
    assert {values.dtype for values in stored.values()} == {dtype}


def test_a_profiler_tells_its_figures_in_the_log_and_leaves_the_run_in_its_folder(longlag, tiny):
    assert longlag("train", *tiny, "+trainer.profiler=simple").code == 0
    (run,) = runs()
    assert "Profiler Report" in run.folder.log.read_text()
    assert "ran already: not solved" in longlag("train", *tiny).err
