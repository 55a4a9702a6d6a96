import math
import os

import pytest
import torch
import wandb
from lightning.pytorch.callbacks import Callback
from lightning.pytorch.strategies import SingleDeviceStrategy
from offline_wandb import as_wandb_reads, merged, read_offline, updated

from longlag.runs import RunFolder
from longlag.runs.error_flow_csv import read_error_flow
from longlag.runs.metrics_csv import read_metrics
from longlag.training.loggers.choices import WandbLoggers
from longlag.training.loggers.run_folder import MetricsLogger
from longlag.training.loggers.run_info import RunInfo
from longlag.training.run import train_run


@pytest.fixture(autouse=True)
def _no_account(monkeypatch, tmp_path):
    """No key, no settings of this machine: as on a computer that has never heard of W&B."""
    for name in [name for name in os.environ if name.startswith("WANDB_")]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("HOME", str(tmp_path))


class CutAt(Callback):
    def __init__(self, step: int) -> None:
        self.step = step

    def on_train_batch_end(self, trainer, *_: object) -> None:
        if trainer.global_step == self.step:
            raise KeyboardInterrupt


def finite(rows: dict[int, dict[str, float]]) -> dict[int, dict[str, float]]:
    return {step: {name: x for name, x in row.items() if math.isfinite(x)} for step, row in rows.items()}


def figures_of(history: list[dict]) -> dict[int, dict[str, float]]:
    """Return what W&B has of the figures in ``metrics.csv``: without its own columns, and without pictures."""
    return {
        row["_step"]: {
            name: value
            for name, value in row.items()
            if not name.startswith(("_", "error_flow/")) and name != "trainer/global_step"
        }
        for row in history
    }


def test_the_offline_file_has_everything(plan):
    made = plan("logger=wandb", "study=first", "trainer.log_every_n_steps=2")
    train_run(made)
    (run,) = read_offline(made.folder.path)
    assert run.name == "lstm delayed_xor T=8 b=1 seed=0"
    assert run.group == "first"
    assert run.job_type == "train"
    assert run.project == "longlag"
    assert sorted(run.tags) == ["delayed_xor", "lstm"]
    assert {key: run.config[key] for key in made.config} == made.config
    assert (run.config["task"]["T"], run.config["cell"]["forget_bias"], run.config["seed"]) == (8, 1.0, 0)

    rows = read_metrics(made.folder.metrics)
    assert figures_of(run.history) == finite(rows)
    assert all(row["trainer/global_step"] == row["_step"] for row in run.history)
    assert {row["_step"]: row["sequences"] for row in run.history} == {step: 256 * step for step in rows}
    for name in ("train/loss", "val/acc", "val/loss", "early_gradient", "test/acc", "layer1/gradient_half_life"):
        assert any(name in row for row in run.history), name

    summary = made.folder.read_summary()
    for name in summary.keys() - {"val/acc", "val/loss"}:
        assert run.summary[name] == summary[name], name
    assert {"solved", "solved_step", "solved_sequences", "state", "early_gradient_init"} < summary.keys()
    assert run.summary["val/acc.last"] == summary["val/acc"]
    assert run.summary["val/acc.max"] == summary["val/acc_max"] == max(row.get("val/acc", 0) for row in rows.values())
    assert run.summary["val/loss.last"] == summary["val/loss"]
    assert (
        run.summary["val/loss.min"] == summary["val/loss_min"] == min(row.get("val/loss", 9) for row in rows.values())
    )
    assert run.exit_code == 0
    assert wandb.run is None


def test_the_curves_have_two_axes_and_validation_metrics_keep_their_best(plan):
    made = plan("logger=wandb")
    train_run(made)
    (run,) = read_offline(made.folder.path)
    axis = "trainer/global_step"
    plain = {"axis": axis, "max": False, "min": False, "last": False}
    assert run.metrics == {
        axis: {**plain, "axis": ""},
        "*": plain,
        "sequences": plain,
        "val/acc": {**plain, "max": True, "last": True},
        "val/loss": {**plain, "min": True, "last": True},
    }


def test_wandbs_own_reader_finds_the_same(plan):
    made = plan("logger=wandb", "trainer.log_every_n_steps=2")
    train_run(made)
    (run,) = read_offline(made.folder.path)
    records = as_wandb_reads(made.folder.path)
    history = [record["history"]["item"] for record in records if record["type"] == "history"]
    assert figures_of(history) == figures_of(run.history) == finite(read_metrics(made.folder.metrics))
    (header,) = [record["run"] for record in records if record["type"] == "run"]
    assert (header["run_group"], header["job_type"], header["display_name"]) == ("default", "train", run.name)
    assert sorted(header["tags"]) == sorted(run.tags)
    config = header["config"]["update"]
    assert {key: config[key] for key in made.config} == made.config
    said: dict = {}
    for record in records:
        if record["type"] == "summary":
            for key, value in record["summary"]["update"].items():
                said = updated(said, key, value)
    assert said == run.summary
    named = {path for r in records if r["type"] == "files" for path in (f["path"] for f in r["files"]["files"])}
    assert set(run.media) == {path for path in named if path.startswith("media/")}


def test_the_error_flow_is_drawn_at_the_end(plan):
    made = plan("logger=wandb")
    train_run(made)
    (run,) = read_offline(made.folder.path)
    names = sorted(path.rpartition("_")[0].rpartition("_")[0] for path in run.media)
    assert names == ["media/images/error_flow/curve", "media/images/error_flow/map"]
    assert all(data.startswith(b"\x89PNG") and len(data) > 5000 for data in run.media.values())
    assert run.history[-1]["error_flow/map._type"] == "image-file"
    assert run.history[-1]["trainer/global_step"] == 6


def test_each_layer_has_its_pictures(plan):
    made = plan("logger=wandb", "model.layers=2")
    train_run(made)
    (run,) = read_offline(made.folder.path)
    assert sorted(path.rpartition("/")[0] for path in run.media) == [
        f"media/images/error_flow/layer{layer}" for layer in (1, 1, 2, 2)
    ]


def test_without_the_error_flow_there_is_no_picture_and_an_old_one_is_not_drawn(plan):
    made = plan("logger=wandb", "probe=none")
    made.folder.path.mkdir(parents=True)
    made.folder.error_flow.write_text("of another run")
    train_run(made)
    (run,) = read_offline(made.folder.path)
    assert run.media == {}
    assert not made.folder.error_flow.exists()


def test_runs_that_differ_in_the_seed_alone_share_their_setting(plan):
    def setting(*overrides):
        made = plan("logger=wandb", "trainer.max_steps=1", *overrides, folder="-".join(overrides) or "plain")
        train_run(made)
        (run,) = read_offline(made.folder.path)
        return run.config["setting"]

    one = setting()
    assert one.startswith("lstm delayed_xor T=8 b=1 (")
    assert setting("seed=1") == setting("study=other") == one
    assert len({one, setting("optimizer.lr=0.1"), setting("cell.forget_bias=3"), setting("task.T=9")}) == 4


def test_a_figure_that_is_not_finite_is_left_out_of_wandb_and_kept_in_the_folder(plan):
    made = plan("logger=wandb")
    made.probe.measure = lambda module, batch: {"early_gradient": 0.5, "layer1/memory_half_life": math.inf}
    train_run(made)
    (run,) = read_offline(made.folder.path)
    assert {row["layer1/memory_half_life"] for row in read_metrics(made.folder.metrics).values()} >= {math.inf}
    assert not any("layer1/memory_half_life" in row for row in run.history)
    assert run.summary["layer1/memory_half_life"] is None
    assert any(row.get("early_gradient") == 0.5 for row in run.history)


def test_it_is_closed_after_an_exception_and_the_next_run_has_a_file_of_its_own(plan):
    failing = plan("logger=wandb", folder="failing")

    def no_loss(outputs, batch):
        raise RuntimeError("no loss today")

    failing.task.loss = no_loss
    assert train_run(failing).state == "failed"
    assert wandb.run is None
    (run,) = read_offline(failing.folder.path)
    assert run.exit_code == 1
    assert run.summary["state"] == "failed"
    assert not any("train/loss" in row for row in run.history)

    after = plan("logger=wandb", "seed=1", folder="after")
    train_run(after)
    (other,) = read_offline(after.folder.path)
    assert other.id != run.id
    assert other.config["seed"] == 1
    assert any("val/acc" in row for row in other.history)


def test_the_parts_of_a_run_that_was_cut_and_resumed_are_one_run(plan):
    settings = ("logger=wandb", "trainer.log_every_n_steps=1", "trainer.val_check_interval=3")
    whole = plan(*settings, folder="whole")
    train_run(whole)
    cut = plan(*settings, folder="cut", callbacks=[CutAt(5)])
    assert train_run(cut).state == "interrupted"
    assert train_run(plan(*settings, folder="cut")).state == "done"
    parts = read_offline(cut.folder.path)
    assert len(parts) == 2
    assert parts[0].history[-1]["_step"] > parts[1].history[0]["_step"] > 0  # a step that was lost is taken again
    run, (other,) = merged(parts), read_offline(whole.folder.path)
    assert figures_of(run.history) == figures_of(other.history) == finite(read_metrics(cut.folder.metrics))
    assert run.config == other.config
    timed = {"seconds", "_timestamp", "_runtime", "_wandb.runtime"}
    drawn = {name for name in run.summary if name.startswith("error_flow/")}
    assert {name: run.summary[name] for name in run.summary.keys() - timed - drawn} == {
        name: other.summary[name] for name in other.summary.keys() - timed - drawn
    }
    assert read_error_flow(cut.folder.error_flow) == read_error_flow(whole.folder.error_flow)


def test_the_best_accuracy_of_a_resumed_run_is_that_of_all_its_parts(plan):
    made = plan("logger=wandb")
    made.task.judge = lambda outputs, batch: {"acc": torch.full((len(outputs),), 0.9)}
    train_run(made)
    further = plan("logger=wandb", "trainer.max_steps=8")
    further.task.judge = lambda outputs, batch: {"acc": torch.full((len(outputs),), 0.3)}
    train_run(further)
    run = merged(read_offline(made.folder.path))
    assert (run.summary["val/acc.last"], run.summary["val/acc.max"]) == pytest.approx((0.3, 0.9))
    assert max(row["trainer/global_step"] for row in run.history) == 8


def test_trouble_with_a_picture_does_not_keep_the_run_open(plan, monkeypatch):
    def no_ink(*_):
        raise OSError("no ink")

    monkeypatch.setattr("longlag.training.loggers.wandb_pictures.draw_map", no_ink)
    made = plan("logger=wandb")
    assert train_run(made).state == "done"
    (run,) = read_offline(made.folder.path)
    assert run.exit_code == 0
    assert wandb.run is None
    assert "no ink" in made.folder.log.read_text()


def lags(*values):
    return {"sequences": [4.0] * len(values), "dx": list(values)}


def test_the_error_flow_is_whole_at_each_checkpoint_and_kept_up_to_where_a_run_goes_on(tmp_path):
    folder = RunFolder(tmp_path)
    logger = MetricsLogger(RunInfo(folder, {}, "name", "setting", "study", ()))
    logger.record_error_flow(0, {1: lags(-1.0, -2.0), 2: lags(-3.0)})
    logger.record({"early_gradient": 0.1}, step=0)  # the first figures are written at once
    assert read_error_flow(folder.error_flow).keys() == {(0, 1), (0, 2)}
    logger.record_error_flow(20, {1: lags(-1.5, -2.5), 2: lags(-3.5)})
    logger.record({"early_gradient": 0.1}, step=20)  # too soon after them
    assert read_error_flow(folder.error_flow).keys() == {(0, 1), (0, 2)}
    logger.before_checkpoint()
    assert read_error_flow(folder.error_flow).keys() == {(0, 1), (0, 2), (20, 1), (20, 2)}
    assert read_error_flow(folder.error_flow)[20, 1]["dx"] == [-1.5, -2.5]

    resumed = MetricsLogger(RunInfo(folder, {}, "name", "setting", "study", (), resume_at=0))
    resumed.record_error_flow(10, {1: lags(-9.0)})
    resumed.finalize("success")
    assert read_error_flow(folder.error_flow).keys() == {(0, 1), (0, 2), (10, 1)}


def test_all_figures_are_on_the_disk_before_a_checkpoint_is(plan, monkeypatch):
    """Or a run that is killed between the two would go on from the checkpoint without them."""
    made, seen = plan("logger=csv", "trainer.log_every_n_steps=1"), {}
    monkeypatch.setattr(MetricsLogger, "save", lambda logger: None)  # which writes now and then
    save = SingleDeviceStrategy.save_checkpoint

    def saved(strategy, checkpoint, filepath, **options):
        seen[checkpoint["global_step"]] = read_metrics(made.folder.metrics), read_error_flow(made.folder.error_flow)
        save(strategy, checkpoint, filepath, **options)

    monkeypatch.setattr(SingleDeviceStrategy, "save_checkpoint", saved)
    train_run(made)
    metrics, flow = read_metrics(made.folder.metrics), read_error_flow(made.folder.error_flow)
    assert list(seen) == [2, 4, 6]
    for step, (rows, flows) in seen.items():
        assert {k: row for k, row in rows.items() if k < step} == {k: row for k, row in metrics.items() if k < step}
        assert rows[step]["val/acc"] == metrics[step]["val/acc"]
        assert flows == {key: lags for key, lags in flow.items() if key[0] <= step}


def test_offline_wins_over_the_environment(plan, monkeypatch):
    monkeypatch.setenv("WANDB_MODE", "online")
    made = plan("logger=wandb")
    assert train_run(made).state == "done"
    assert len(read_offline(made.folder.path)) == 1


def test_online_without_an_account_fails_before_it_trains_and_says_why(plan):
    made = plan("logger=wandb", "logger.mode=online")
    status = train_run(made)
    assert (status.state, status.step) == ("failed", 0)
    assert status.reason.startswith("ConnectionError: W&B did not start: No API key configured")
    assert status.reason.endswith("; logger.mode=offline needs no account, no network")
    assert wandb.run is None


def test_a_figure_of_1e_300_reaches_the_csv_and_wandb(plan):
    made = plan("logger=wandb")
    made.probe.measure = lambda module, batch: {"early_gradient": 1e-300}
    train_run(made)
    (run,) = read_offline(made.folder.path)
    assert {row["early_gradient"] for row in run.history if "early_gradient" in row} == {1e-300}
    rows = read_metrics(made.folder.metrics).values()
    assert {row["early_gradient"] for row in rows if "early_gradient" in row} == {1e-300}


def test_an_unknown_mode_is_refused():
    with pytest.raises(
        ValueError, match=r"mode must be offline or online, got 'dryrun' \(logger=csv does without W&B\)"
    ):
        WandbLoggers("dryrun", "longlag", None)
