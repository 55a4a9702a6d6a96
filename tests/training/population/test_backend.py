"""Where a population runs, and how batches get there."""

import pytest
import torch

from longlag.cells import LSTMCell
from longlag.engine import Native, Triton
from longlag.flow.native_flow import runs_natively
from longlag.model import SequenceModel
from longlag.task import Batch
from longlag.training.population.backend import Backend, moved_together

CPU, GPU = torch.device("cpu"), torch.device("cuda", 0)


def batch_of(steps, seed):
    draws = torch.Generator().manual_seed(seed)
    return Batch.answered_last(torch.randn(3, steps, 2, generator=draws), torch.randint(4, (3,), generator=draws))


@pytest.mark.parametrize(
    ("engine", "accelerator", "here", "wanted"),
    [
        ("auto", "cpu", True, (Native, CPU)),
        ("auto", "gpu", True, (Triton, GPU)),
        ("auto", "auto", True, (Triton, GPU)),
        ("auto", "auto", False, (Native, CPU)),
        ("native", "gpu", True, (Native, GPU)),
        ("triton", "gpu", True, (Triton, GPU)),
        ("triton", "cpu", False, (Triton, CPU)),
    ],
)
def test_engine_and_device_follow_the_settings_and_the_machine(engine, accelerator, here, wanted, monkeypatch):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: here)
    backend = Backend.of(engine, {"accelerator": accelerator, "precision": "32-true"})
    assert (type(backend.engine), backend.device) == wanted
    assert backend.dtype is torch.float32


def test_batches_that_go_together_are_those_that_were_drawn_and_in_their_order():
    batches = [batch_of(steps, seed) for seed, steps in enumerate((5, 7, 5, 7, 6))]
    for mine, theirs in zip(moved_together(batches, CPU), batches, strict=True):
        assert all(map(torch.equal, mine, theirs))
    there = Backend(device=torch.device("meta")).moved(batches)
    assert [one.inputs.shape for one in there] == [one.inputs.shape for one in batches]
    assert {field.device.type for one in there for field in one} == {"meta"}
    same = Backend().moved(batches)
    assert all(one is other for one, other in zip(same, batches, strict=True))


def test_a_model_on_another_device_than_cpu_and_gpu_has_no_native_error_flow():
    model = SequenceModel(LSTMCell(2, 3), 1, engine="eager")
    assert runs_natively(model)
    assert not runs_natively(model.to("meta"))
