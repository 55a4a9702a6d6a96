import csv
import math

import pytest
import torch
from lightning.pytorch.callbacks import Callback

from longlag.flow.decay import half_life
from longlag.flow.error_flow import error_flow
from longlag.runs.error_flow_csv import read_error_flow
from longlag.runs.metrics_csv import read_metrics
from longlag.training.callbacks.error_flow import ErrorFlow, over_sequences
from longlag.training.module import _gradient_norm
from longlag.training.run import train_run


def test_a_run_records_its_error_flow_at_the_start_and_at_every_validation(plan):
    made = plan("model.layers=2", "stop_when_solved=false")
    assert train_run(made).state == "done"
    flows = read_error_flow(made.folder.error_flow)
    assert set(flows) == {(step, layer) for step in (0, 2, 4, 6) for layer in (1, 2)}
    assert all(len(lags["dx"]) == 8 for lags in flows.values())
    rows = read_metrics(made.folder.metrics)
    for step in (0, 2, 4, 6):
        for layer in (1, 2):
            dc = flows[step, layer]["dc"]
            row = {name.split("/")[1]: x for name, x in rows[step].items() if name.startswith(f"layer{layer}/")}
            assert row["gradient_half_life"] == pytest.approx(half_life(row["gradient_decay"]))
            slope = sum((lag - 3.5) * y for lag, y in enumerate(dc)) / sum((lag - 3.5) ** 2 for lag in range(8))
            assert row["gradient_decay"] == pytest.approx(10**slope, rel=1e-4)  # the file has six digits
            assert {"direct_half_life", "memory_half_life"} < set(row)
            assert {"gate_i", "gate_f_open", "gate_o_shut", "norm_f", "radius_g"} < set(row)
    summary = made.folder.read_summary()
    assert summary["layer2/memory_half_life_init"] == rows[0]["layer2/memory_half_life"]
    assert summary["layer2/memory_half_life"] == rows[6]["layer2/memory_half_life"]
    assert summary["early_gradient_init"] == rows[0]["early_gradient"]
    assert summary["early_gradient_end"] == rows[6]["early_gradient"]
    assert "early_gradient" not in summary
    assert summary["val/acc_max"] == max(row["val/acc"] for row in rows.values() if "val/acc" in row)


class Measured(Callback):
    """Measure beside the probe, with the weights of the model as they are."""

    def __init__(self):
        self.columns = {}

    def on_validation_epoch_end(self, trainer, pl_module):
        model, task = pl_module.model, pl_module.task
        with torch.autocast("cpu", enabled=False):
            flow = error_flow(model, task.draw("probe", 0, 16), task.loss)
        self.columns[trainer.global_step] = over_sequences(
            {name: norms[None] for name, norms in flow.layers[0].items()}
        )[0]


def has_bf16_lstm():
    """Return whether PyTorch's own LSTM runs under autocast on this processor."""
    try:
        with torch.autocast("cpu", dtype=torch.bfloat16):
            torch.nn.LSTM(2, 4)(torch.zeros(3, 1, 2))
    except RuntimeError:
        return False
    return True


@pytest.mark.parametrize("precision", ["32-true", "bf16-mixed", "64-true"])
@pytest.mark.parametrize("engine", ["eager", "torch"])
def test_it_is_that_of_the_weights_whatever_the_precision_and_the_engine_of_training(plan, precision, engine):
    if (precision, engine) == ("bf16-mixed", "torch") and not has_bf16_lstm():
        pytest.skip("PyTorch has no LSTM in bfloat16 on this processor")
    measured = Measured()
    made = plan(f"trainer.precision={precision}", f"engine={engine}", callbacks=[measured])
    assert train_run(made).finished
    flows = read_error_flow(made.folder.error_flow)
    for step, columns in measured.columns.items():
        for name, values in flows[step, 1].items():
            assert values == pytest.approx(columns[name], rel=1e-5, abs=0), name  # six digits


def test_the_same_weights_give_the_same_flow_in_any_precision(plan):
    """At step 0, before the rounding of the training has come into the weights."""
    flows = []
    for precision in ("32-true", "bf16-mixed"):
        made = plan(f"trainer.precision={precision}", folder=precision)
        train_run(made)
        flows.append(read_error_flow(made.folder.error_flow)[0, 1])
    assert flows[0] == flows[1]


def test_the_probe_changes_nothing_of_the_run(plan):
    weights = []
    for probe in ("none", "early_gradient", "error_flow"):
        made = plan(f"probe={probe}", folder=probe)
        train_run(made)
        weights.append(torch.load(made.folder.last_checkpoint, weights_only=True)["state_dict"])
        assert made.folder.error_flow.exists() == (probe == "error_flow")
    for other in weights[1:]:
        assert all(torch.equal(values, other[name]) for name, values in weights[0].items())


def test_padded_sequences_reach_back_as_far_as_they_are_long(plan):
    made = plan("task=embedded_reber", "task.T=9", "trainer.max_steps=2")
    train_run(made)
    lengths = made.task.draw("probe", 0, 16).lengths
    lags = read_error_flow(made.folder.error_flow)[0, 1]
    assert lags["sequences"] == [(lengths > lag).sum().item() for lag in range(lengths.max())]


def test_columns_are_means_of_logarithms_and_quantiles():
    values = torch.tensor([[-1.0, -2.0, -3.0, -10.0], [-4.0, -math.inf, -6.0, torch.nan]], dtype=torch.float64)
    columns = over_sequences({"dx": values[None]})[0]
    assert columns["sequences"] == [4, 3]
    assert columns["dx"] == [-4.0, -math.inf]
    assert columns["dx_10"] == [-10.0, -math.inf]
    assert columns["dx_50"][1] == -6.0
    assert columns["dx_90"] == [-1.0, -4.0]


@pytest.mark.parametrize("algorithm", ["norm", "value"])
def test_the_norm_of_the_gradient_is_recorded_before_and_after_clipping(plan, algorithm):
    limit = 1e-3
    made = plan(
        f"trainer.gradient_clip_val={limit}",
        f"trainer.gradient_clip_algorithm={algorithm}",
        "trainer.log_every_n_steps=2",
    )
    gradients = {}

    class Keep(Callback):
        def on_before_optimizer_step(self, trainer, pl_module, optimizer):
            gradients[trainer.global_step] = [p.grad.clone() for p in pl_module.parameters()]

    made.callbacks.append(Keep())
    assert train_run(made).finished
    rows = read_metrics(made.folder.metrics)
    assert [step for step, row in rows.items() if "train/grad_norm" in row] == [0, 2, 4]
    for step in (0, 2, 4):
        whole = torch.cat([grad.flatten() for grad in gradients[step]])
        assert rows[step]["train/grad_norm"] == pytest.approx(whole.norm().item(), rel=1e-5)
        clipped = min(whole.norm().item(), limit) if algorithm == "norm" else whole.clamp(-limit, limit).norm().item()
        assert rows[step]["train/grad_norm_clipped"] == pytest.approx(clipped, rel=1e-3)  # Lightning adds 1e-6
        assert clipped < whole.norm().item()


def test_without_clipping_both_norms_are_one(plan):
    made = plan()
    train_run(made)
    row = read_metrics(made.folder.metrics)[0]
    assert row["train/grad_norm"] == row["train/grad_norm_clipped"] > 0


def test_half_lives_that_are_infinite_are_in_the_file_and_null_in_the_summary(plan):
    """The memory of a cell that forgets nothing: lstm_1997, along its direct path."""
    made = plan("cell=lstm_1997")
    train_run(made)
    with made.folder.metrics.open() as file:
        assert next(csv.DictReader(file))["layer1/direct_half_life"] == "inf"
    assert made.folder.read_summary()["layer1/direct_half_life"] is None


def test_a_probe_of_no_size_is_refused():
    with pytest.raises(ValueError, match="size must be a positive integer"):
        ErrorFlow(0)


def test_weights_that_become_nan_end_a_run_as_diverged(plan):
    """The probe, which sees them first, has nothing to say against that."""

    class Breaks(Callback):
        def on_train_batch_end(self, trainer, pl_module, *_):
            if trainer.global_step == 4:
                with torch.no_grad():
                    pl_module.model.cells[0].W.weight[0, 0] = math.nan

    status = train_run(plan(callbacks=[Breaks()]))
    assert status.state == "diverged"
    assert status.reason == "the validation loss is nan at step 4"


@pytest.mark.parametrize("size", [1e-30, 1e30])
def test_the_norm_of_the_gradient_is_right_where_float32_has_no_square(size):
    weights = torch.nn.Parameter(torch.zeros(4))
    weights.grad = torch.full((4,), size)
    assert _gradient_norm(torch.optim.SGD([weights], lr=1.0)) == pytest.approx(2 * size, rel=1e-6, abs=0)


def test_the_norm_is_that_of_the_accumulated_gradient(plan):
    made = plan("trainer.accumulate_grad_batches=2", "trainer.val_check_interval=4", "trainer.max_steps=2")
    train_run(made)
    other = plan("trainer.max_steps=2", folder="whole")  # the same batch once: of a fixed set both halves are it
    train_run(other)
    norms = [read_metrics(run.folder.metrics)[0]["train/grad_norm"] for run in (made, other)]
    assert norms[0] == pytest.approx(norms[1], rel=1e-6)
