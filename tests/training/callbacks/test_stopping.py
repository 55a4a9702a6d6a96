import os
import signal
import threading

import pytest
import torch
from lightning.pytorch.callbacks import Callback

from longlag.runs.error_flow_csv import read_error_flow
from longlag.runs.metrics_csv import read_metrics
from longlag.training.callbacks.stopping import stop_requests
from longlag.training.run import train_run


@pytest.fixture(autouse=True)
def _listening():
    """Tests that are run in the background of a shell have SIGINT ignored."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


class Signal(Callback):
    """Send this process a real signal, once, in the step that will be ``step``, or elsewhere."""

    def __init__(self, step, number=signal.SIGINT, hook="on_train_batch_start"):
        self.step = step - (hook == "on_train_batch_start")
        self.number = number
        setattr(self, hook, self._send)

    def _send(self, trainer, *_):
        if self.number is not None and trainer.global_step == self.step:
            number, self.number = self.number, None
            os.kill(os.getpid(), number)


def steps_of(folder):
    return torch.load(folder.last_checkpoint, weights_only=True)["global_step"]


DATA = [
    (),
    ("task/splits=endless", "task.splits.batch_size=8"),
    ("task.splits.train_size=64", "task.splits.batch_size=8"),
    ("trainer.accumulate_grad_batches=2", "trainer.val_check_interval=4"),
    ("model.layers=2", "model.dropout=0.3"),
    ("task=adding", "task.splits.batch_size=400", "task.splits.train_size=null"),  # whose latest 2000 are judged
]


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
@pytest.mark.parametrize("step", [1, 2, 3, 5])
def test_a_signal_ends_a_run_with_a_checkpoint_of_its_step(plan, step, number):
    """Between two validations too, and where one is due: that one is made first."""
    made = plan(callbacks=[Signal(step, number)])
    before = signal.getsignal(number)
    status = train_run(made)
    assert signal.getsignal(number) is before
    assert (status.state, status.step) == ("interrupted", step)
    assert status.reason == f"asked to stop at step {step}"
    assert steps_of(made.folder) == step
    assert max(read_metrics(made.folder.metrics)) == step // 2 * 2


@pytest.mark.parametrize("data", DATA)
@pytest.mark.parametrize("step", [1, 2, 3, 5])
def test_a_run_that_was_stopped_anywhere_and_goes_on_is_the_run_that_was_not(plan, step, data):
    whole = plan(*data, folder="whole")
    train_run(whole)
    stopped = plan(*data, folder="stopped", callbacks=[Signal(step)])
    assert train_run(stopped).state == "interrupted"
    assert steps_of(stopped.folder) == step
    status = train_run(plan(*data, folder="stopped"))
    assert (status.state, status.step) == ("done", 6)
    weights = [torch.load(made.folder.last_checkpoint, weights_only=True)["state_dict"] for made in (whole, stopped)]
    assert weights[0].keys() == weights[1].keys()
    for name, values in weights[0].items():
        assert torch.equal(values, weights[1][name])
    assert read_metrics(stopped.folder.metrics) == read_metrics(whole.folder.metrics)
    assert read_error_flow(stopped.folder.error_flow) == read_error_flow(whole.folder.error_flow)


@pytest.mark.parametrize("hook", ["on_validation_start", "on_test_start"])
def test_a_signal_after_the_last_step_lets_the_run_end(plan, hook):
    made = plan(callbacks=[Signal(6, hook=hook)])
    with stop_requests() as request:
        status = train_run(made, request)
    assert status.state == "done"
    assert request.by == signal.SIGINT
    assert "test/acc" in made.folder.read_summary()


def test_a_second_interrupt_ends_it_at_once(plan):
    class Twice(Callback):
        def on_train_batch_end(self, trainer, *_):
            if trainer.global_step == 3:
                os.kill(os.getpid(), signal.SIGINT)
                os.kill(os.getpid(), signal.SIGINT)
                raise AssertionError("the second one interrupts")

    made = plan(callbacks=[Twice()])
    status = train_run(made)
    assert (status.state, status.reason) == ("interrupted", "SystemExit: cut off from outside")
    assert steps_of(made.folder) == 2


def test_signals_that_are_ignored_stay_ignored():
    before = signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        with stop_requests() as request:
            os.kill(os.getpid(), signal.SIGINT)
            assert request.by is None
        assert signal.getsignal(signal.SIGINT) is signal.SIG_IGN
    finally:
        signal.signal(signal.SIGINT, before)


@pytest.mark.parametrize("step", [3, 4])
def test_the_warning_of_a_batch_system_ends_a_run_with_a_checkpoint_of_its_step(plan, step):
    """Where somebody reckons with it, as a job of SLURM does, whose handler is put back then."""

    def warned(number, frame):
        raise AssertionError("the run takes it itself")

    before = signal.signal(signal.SIGUSR2, warned)
    try:
        made = plan(callbacks=[Signal(step, signal.SIGUSR2)])
        with stop_requests() as request:
            status = train_run(made, request)
        assert signal.getsignal(signal.SIGUSR2) is warned
    finally:
        signal.signal(signal.SIGUSR2, before)
    assert request.by == signal.SIGUSR2
    assert (status.state, status.step, status.reason) == ("interrupted", step, f"asked to stop at step {step}")
    assert steps_of(made.folder) == step


@pytest.mark.parametrize("handler", [signal.SIG_DFL, signal.SIG_IGN])
def test_a_warning_with_which_nobody_reckons_is_left_as_it_is(handler):
    before = signal.signal(signal.SIGUSR2, handler)
    try:
        with stop_requests() as request:
            assert signal.getsignal(signal.SIGUSR2) is handler
            if handler is signal.SIG_IGN:
                os.kill(os.getpid(), signal.SIGUSR2)
        assert request.by is None
        assert signal.getsignal(signal.SIGUSR2) is handler
    finally:
        signal.signal(signal.SIGUSR2, before)


def test_in_another_thread_nothing_is_touched():
    before, seen = signal.getsignal(signal.SIGINT), []

    def listen():
        with stop_requests() as request:
            seen.append((request.by, signal.getsignal(signal.SIGINT)))

    thread = threading.Thread(target=listen)
    thread.start()
    thread.join()
    assert seen == [(None, before)]
