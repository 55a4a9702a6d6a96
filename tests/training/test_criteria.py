"""The published criteria in real runs: over the latest training sequences, and over the training set."""

import pytest
import torch
from longlag.tasks.adding import Adding

from longlag.runs.metrics_csv import read_metrics
from longlag.training.run import train_run


def weights(made):
    return torch.load(made.folder.last_checkpoint, weights_only=True)["state_dict"]


@pytest.fixture
def short_memory(monkeypatch):
    """A criterion over the latest 12 sequences, so that a few steps fill it."""
    monkeypatch.setattr(Adding, "recent", 12)


ADDING = ("task=adding", "task.T=8", "task.splits.batch_size=5", "task.splits.val_size=8", "task.splits.test_size=8")


def test_the_latest_training_sequences_are_judged_as_they_were_met(plan, short_memory):
    """Before the update that they caused: the run made again with plain PyTorch, sequence by sequence."""
    made = plan(*ADDING)
    train_run(made)
    rows = read_metrics(made.folder.metrics)
    torch.manual_seed(0)
    model, task = made.model(), made.task
    optimizer = torch.optim.Adam(model.parameters(), lr=3e-3)
    errors = []
    for step in range(6):
        batch = task.train_batch(step)
        outputs = model(batch.inputs, batch.lengths)
        errors += (torch.sigmoid(outputs) - batch.targets).abs().squeeze(1).tolist()
        optimizer.zero_grad()
        task.loss(outputs, batch).backward()
        optimizer.step()
        if step + 1 in (4, 6):
            last = errors[-12:]
            row = rows[step + 1]
            assert row["recent/error"] == pytest.approx(sum(last) / 12, rel=1e-5)
            assert row["recent/acc"] == pytest.approx(sum(error < 0.04 for error in last) / 12)
    assert "recent/error" not in rows[2]  # 10 sequences, not yet 12


def test_a_resumed_run_still_knows_the_latest_sequences(plan, short_memory):
    whole, parts = plan(*ADDING, folder="whole"), plan(*ADDING, "trainer.max_steps=4", folder="parts")
    train_run(whole)
    train_run(parts)
    train_run(plan(*ADDING, folder="parts"))
    assert all(torch.equal(weights(whole)[name], weight) for name, weight in weights(parts).items())
    rows = [read_metrics(made.folder.metrics) for made in (whole, parts)]
    assert rows[0][6]["recent/error"] == rows[1][6]["recent/error"]
    assert rows[0][6]["recent/acc"] == rows[1][6]["recent/acc"]


def test_the_training_set_is_judged_with_the_weights_that_are_validated(plan):
    reber = ("task=embedded_reber", "task.T=9", "task.splits.train_size=300", "task.splits.batch_size=100")
    made = plan(*reber, "task.splits.val_size=8", "task.splits.test_size=8", "trainer.max_steps=2")
    train_run(made)
    torch.manual_seed(0)
    model, task = made.model(), made.task
    optimizer = torch.optim.Adam(model.parameters(), lr=3e-3)
    for step in range(2):
        batch = task.train_batch(step)
        optimizer.zero_grad()
        task.loss(model(batch.inputs, batch.lengths), batch).backward()
        optimizer.step()
    known = task.training_set()
    with torch.no_grad():
        figures = task.judge(model(known.inputs, known.lengths), known)
    row = read_metrics(made.folder.metrics)[2]
    assert row["train/symbol_acc"] == pytest.approx(figures["symbol_acc"].mean().item(), rel=1e-5)
    assert row["train/symbol_acc"] != row["val/symbol_acc"]


def test_a_run_is_solved_by_the_criterion_of_the_paper(plan):
    """Adding over at least 6 steps: the first validation at which the latest 2000 sequences are all right."""
    made = plan(
        "task=adding", "task.T=6", "cell.hidden_size=16", "optimizer.lr=0.02", "task.splits.batch_size=250",
        "task.splits.test_size=256", "trainer.max_steps=1500", "trainer.val_check_interval=50",
    )  # fmt: skip
    status = train_run(made)
    assert status.state == "solved"
    rows = read_metrics(made.folder.metrics)
    summary = made.folder.read_summary()
    met = [s for s, row in rows.items() if row.get("recent/acc") == 1.0 and row["recent/error"] < 0.01]
    assert met[0] == summary["solved_step"] == status.step
    assert summary["solved_sequences"] == 250 * status.step
