"""The long-lag tasks; in a checkout their files lie in the top-level folder ``tasks/``, in a wheel beside this one."""

import importlib
from pathlib import Path
from typing import Any

_CHECKOUT = Path(__file__).parents[3] / "tasks"
if _CHECKOUT.is_dir() and not Path(__file__).with_name("delayed_xor.py").exists():
    __path__ = [str(_CHECKOUT)]

#: task -> the module that defines it
_MODULES = {
    "Adding": "adding",
    "AddingSum": "adding_sum",
    "AssociativeRecall": "associative_recall",
    "ContinualEmbeddedReber": "continual_embedded_reber",
    "ContinualTemporalOrder": "continual_temporal_order",
    "CopyMemory": "copy_memory",
    "Cosine": "periodic_function",
    "DelayedXOR": "delayed_xor",
    "DistractorLag": "distractor_lag",
    "EmbeddedReber": "embedded_reber",
    "Latch": "latch",
    "ModularArithmetic": "modular_arithmetic",
    "Multiplication": "multiplication",
    "NoiseFreeLag": "noise_free_lag",
    "Parity": "parity",
    "RandomLag": "random_lag",
    "Rectangle": "periodic_function",
    "SelectiveCopy": "selective_copy",
    "SpikeDelay": "spike_delay",
    "TemporalOrder": "temporal_order",
    "TimedSpikes": "timed_spikes",
    "Triangle": "periodic_function",
    "TwoSequence": "two_sequence",
}
__all__ = list(_MODULES)


def __getattr__(name: str) -> Any:
    """Import a task when it is asked for."""
    if name not in _MODULES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(importlib.import_module(f"{__name__}.{_MODULES[name]}"), name)
