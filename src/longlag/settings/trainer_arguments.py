"""All arguments of ``lightning.Trainer``: a run honours each, or refuses it in a line that says what to use instead."""

import math
from collections.abc import Mapping
from typing import Any

from longlag.errors import RequestError
from longlag.settings.component import named_errors
from longlag.training.callbacks.stopping import seconds_of

#: The arguments that act as Lightning documents them. ``max_time`` alone is longlag's own to honour.
HONOURED = frozenset({
    "accelerator", "strategy", "devices", "num_nodes", "precision", "plugins", "max_steps", "max_time",
    "val_check_interval", "log_every_n_steps", "accumulate_grad_batches", "gradient_clip_val",
    "gradient_clip_algorithm", "deterministic", "benchmark", "inference_mode", "detect_anomaly", "profiler",
})  # fmt: skip

_COUNTS_STEPS = "a run counts steps, trainer.max_steps=…"
_NO_LIMIT = "task.splits.{}_size=N says how many sequences there are"
#: The arguments that a run sets itself, or that would change nothing in it or break it: argument -> what to use.
REFUSED = {
    "logger": "logger=csv, wandb, tensorboard or none chooses the loggers",
    "callbacks": "+callbacks.NAME._target_=CLASS adds a callback",
    "default_root_dir": "output_dir=… and study=… choose the folder",
    "max_epochs": _COUNTS_STEPS,
    "min_epochs": _COUNTS_STEPS,
    "min_steps": "stop_when_solved=false takes all steps of trainer.max_steps",
    "fast_dev_run": "--dry-run builds a run without training; trainer.max_steps=1 trains one step",
    "overfit_batches": "task.splits.train_size=N task.splits.batch_size=N trains on N fixed sequences",
    "limit_train_batches": "trainer.max_steps=… limits the steps, task.splits.train_size=N the sequences",
    "limit_val_batches": _NO_LIMIT.format("val"),
    "limit_test_batches": _NO_LIMIT.format("test"),
    "limit_predict_batches": "a run predicts nothing; load_run(FOLDER).model() does in Python",
    "check_val_every_n_epoch": "trainer.val_check_interval=N validates after every N training batches",
    "num_sanity_val_steps": "--dry-run builds a run without training; trainer.val_check_interval=1 validates at once",
    "reload_dataloaders_every_n_epochs": "task/splits=endless draws fresh sequences at every step",
    "enable_checkpointing": "a run always keeps best.ckpt and last.ckpt, and goes on from the latter",
    "enable_progress_bar": "longlag draws a bar of its own, on a terminal alone",
    "enable_model_summary": "the parameters are counted in summary.json",
    "enable_autolog_hparams": "config.yaml and W&B hold the settings",
    "model_registry": "longlag publish sends runs to W&B",
    "use_distributed_sampler": "a task gives each device its share of a batch",
    "sync_batchnorm": "a cell may not mix the sequences of a batch; normalise within a sequence",
    "barebones": "logger=none probe=none leaves out what is recorded; longlag bench measures speed",
}  # fmt: skip

_COUNTS = ("max_steps", "val_check_interval", "log_every_n_steps", "accumulate_grad_batches", "num_nodes")
_SWITCHES = ("benchmark", "inference_mode", "detect_anomaly")


def check_trainer(settings: Mapping[str, Any], batch_size: int) -> None:
    """Check the settings of the Trainer that Lightning would ignore, or fail at or hang on in mid-run.

    Args:
        settings: of the Trainer.
        batch_size: the training sequences of a step, over all devices.

    Raises:
        RequestError: one is wrong.

    """
    for name in settings:
        if name in REFUSED:
            raise RequestError(f"trainer.{name} is not a setting: {REFUSED[name]} (~trainer.{name} leaves it out)")
    for name in _COUNTS:
        value = settings.get(name, 1)
        if isinstance(value, bool) or not isinstance(value, int) or value < 1:
            raise RequestError(f"trainer.{name} must be a positive integer, got {value!r}")
    _check_values(settings)
    devices = settings.get("devices", 1)
    if isinstance(devices, int) and not isinstance(devices, bool) and devices > batch_size:  # Lightning lists them all
        raise RequestError(f"task.splits.batch_size must be a multiple of the {devices} devices, got {batch_size}")
    accumulated = settings.get("accumulate_grad_batches", 1)
    if settings.get("val_check_interval", accumulated) % accumulated:
        raise RequestError(
            f"trainer.val_check_interval must be a multiple of accumulate_grad_batches={accumulated}, so that no"
            f" checkpoint falls between two halves of a step; got {settings['val_check_interval']}"
        )
    if any(kind in str(settings.get("strategy")) for kind in ("spawn", "fork", "notebook")):
        raise RequestError(
            f"trainer.strategy={settings['strategy']}: the ranks are processes of their own; ddp does it"
        )


def _check_values(settings: Mapping[str, Any]) -> None:
    """Check the values that Lightning takes as they are, and that would have no effect then.

    Raises:
        RequestError: one is wrong.

    """
    clip = settings.get("gradient_clip_val")
    number = isinstance(clip, int | float) and not isinstance(clip, bool)
    if clip is not None and not (number and 0 <= clip < math.inf):
        raise RequestError(f"trainer.gradient_clip_val must be a number of at least 0, or null, got {clip!r}")
    for name in _SWITCHES:
        value = settings.get(name)
        if value is not None and not isinstance(value, bool):
            raise RequestError(f"trainer.{name} must be true or false, got {value!r}")
    deterministic = settings.get("deterministic")
    if not isinstance(deterministic, bool | None) and deterministic != "warn":
        raise RequestError(f"trainer.deterministic must be true, false or warn, got {deterministic!r}")
    with named_errors("trainer.max_time"):
        seconds_of(settings.get("max_time"))
