"""A metric of torchmetrics, or of a reader, joins a run by the command line."""

import json
from pathlib import Path

import pytest
import torch
from longlag.tasks.adding import Adding
from longlag.tasks.copy_memory import CopyMemory
from longlag.tasks.embedded_reber import EmbeddedReber
from longlag.tasks.random_lag import RandomLag
from offline_wandb import read_offline
from printed import runs

from longlag.metric import Metric
from longlag.runs.metrics_csv import read_metrics
from longlag.task import Splits

F1 = (
    "+metrics.f1._target_=torchmetrics.F1Score", "+metrics.f1.task=multiclass", "+metrics.f1.num_classes=2",
    "+metrics.f1.average=macro",
)  # fmt: skip
SPLITS = Splits(seed=0, batch_size=4, train_size=4, val_size=4, test_size=4)


def test_it_is_judged_at_validation_and_test_and_recorded_everywhere(longlag, tiny, monkeypatch):
    monkeypatch.setenv("HOME", str(Path.cwd()))
    said = longlag("train", *tiny, *F1, "logger=wandb", "study=first")
    assert said.code == 0, said.err
    (run,) = runs("outputs/first")
    assert {"val/f1", "val/f1_max", "test/f1"} <= run.summary.keys()
    rows = read_metrics(run.folder.metrics)
    curve = {step: row["val/f1"] for step, row in rows.items() if "val/f1" in row}
    assert list(curve) == [2, 4, 6]
    assert run.summary["val/f1_max"] == max(curve.values())
    assert run.summary["test/f1"] == rows[6]["test/f1"]
    assert run.folder.read_metric_declarations() == {"f1": Metric("f1", "f1", better="higher")}
    (mirrored,) = read_offline(run.folder.path)
    assert mirrored.summary["val/f1.max"] == max(curve.values())
    assert mirrored.summary["test/f1"] == run.summary["test/f1"]


def test_it_changes_neither_the_folder_nor_the_weights(longlag, tiny):
    for study, more in (("plain", ()), ("judged", F1)):
        assert longlag("train", *tiny, f"study={study}", *more).code == 0
    (plain,), (judged,) = runs("outputs/plain"), runs("outputs/judged")
    assert plain.folder.path.name == judged.folder.path.name
    weights = [torch.load(run.folder.last_checkpoint, weights_only=True)["state_dict"] for run in (plain, judged)]
    assert weights[0].keys() == weights[1].keys()
    assert all(torch.equal(weight, weights[1][name]) for name, weight in weights[0].items())


OWN = """
import torch
from torchmetrics import Metric


class Confidence(Metric):
    '''The mean probability of the right class.'''

    higher_is_better = True

    def __init__(self, power=1.0):
        super().__init__()
        self.power = power
        self.add_state("total", torch.tensor(0.0), dist_reduce_fx="sum")
        self.add_state("count", torch.tensor(0), dist_reduce_fx="sum")

    def update(self, preds, target):
        self.total += preds.gather(1, target[:, None]).pow(self.power).sum()
        self.count += len(target)

    def compute(self):
        return self.total / self.count
"""


def test_a_metric_of_a_reader_likewise(longlag, tiny, monkeypatch):
    Path("confident.py").write_text(OWN)
    monkeypatch.syspath_prepend(Path.cwd())
    said = longlag("train", *tiny, "+metrics.confidence._target_=confident.Confidence", "+metrics.confidence.power=2")
    assert said.code == 0, said.err
    (run,) = runs()
    assert 0.1 < run.summary["test/confidence"] < 0.5  # about the square of one half
    declared = json.loads((run.folder.path / "metrics.json").read_text())
    assert (declared["confidence"]["title"], declared["confidence"]["better"]) == ("confidence", "higher")


@pytest.mark.slow
def test_a_metric_over_every_device_is_that_over_all_sequences(longlag, tiny):
    for study, more in (("one", ()), ("two", ("trainer=ddp_cpu",))):
        assert longlag("train", *tiny, "trainer.max_steps=2", f"study={study}", *F1, *more).code == 0
    (one,), (two,) = runs("outputs/one"), runs("outputs/two")
    assert one.summary["test/f1"] == pytest.approx(two.summary["test/f1"], abs=1e-6)


@pytest.mark.parametrize(
    ("overrides", "message"),
    [
        (("+metrics.f1._target_=torchmetrics.F2Score",), "cannot import torchmetrics.F2Score: "),
        (("+metrics.f1._target_=torch.nn.ReLU",), "metrics.f1: torch.nn.ReLU is not a torchmetrics"),
        (("+metrics.f1.task=multiclass",), "metrics.f1 must be a mapping with a _target_"),
        ((*F1, "+metrics.f1.colour=red"), "metrics.f1: "),
        (F1[:2], "metrics.f1: "),
        ((*F1[:3], "+metrics.f1.average=none"), "metrics.f1: a metric must be one number"),
        (
            ("+metrics.f1._target_=torchmetrics.F1Score", "+metrics.f1.task=binary"),
            "metrics.f1: it does not fit the task, which gives predictions [8, 2] and targets [8] (torch.int64): ",
        ),
        (("+metrics.acc._target_=torchmetrics.MeanMetric",), "metrics.acc: acc is a metric of the task"),
        (("+metrics.a-b._target_=torchmetrics.MeanMetric",), "metrics.a-b: the name of a metric must be letters"),
        (("metrics=5",), "metrics must be a mapping of names to metrics, got 5"),
    ],
)
def test_a_wrong_one_is_refused_in_one_line(longlag, tiny, overrides, message):
    said = longlag("train", *tiny, *overrides)
    assert said.code == 2
    (line,) = said.err.strip().splitlines()
    assert line.startswith(f"longlag: {message}")
    assert not Path("outputs").exists()


def test_predictions_and_targets_are_those_of_the_scored_steps():
    copying = CopyMemory(T=5, length=3, splits=SPLITS)
    batch = copying.draw("val", 0, 4)
    probabilities, classes = copying.predictions(torch.randn(4, batch.mask.shape[1], 9), batch)
    assert probabilities.shape == (12, 9)
    assert probabilities.sum(1).tolist() == pytest.approx([1.0] * 12, rel=1e-6)
    assert classes.tolist() == batch.targets[:, -3:].flatten().tolist()

    lag = RandomLag(T=6, splits=SPLITS)
    batch = lag.draw("val", 0, 4)
    outputs = torch.randn(4, batch.mask.shape[1], lag.output_size)
    values, wanted = lag.predictions(outputs, batch)
    assert torch.equal(values, outputs.sigmoid()[torch.arange(4), batch.lengths - 1])
    assert wanted.shape == values.shape == (4, lag.output_size)


def test_predictions_of_one_output_are_a_vector_and_those_of_several_legal_symbols_a_matrix():
    adding = Adding(T=8, splits=SPLITS)
    batch = adding.draw("val", 0, 4)
    outputs = torch.randn(4, 1)
    values, wanted = adding.predictions(outputs, batch)
    assert torch.equal(values, outputs.sigmoid()[:, 0])
    assert torch.equal(wanted, batch.targets[:, 0])

    reber = EmbeddedReber(splits=SPLITS)
    batch = reber.draw("val", 0, 4)
    values, wanted = reber.predictions(torch.randn(4, batch.mask.shape[1], 7), batch)
    assert values.shape == wanted.shape == (batch.mask.sum(), 7)
    assert set(wanted.flatten().tolist()) == {0.0, 1.0}
