"""longlag: a laboratory for long-time-lag learning with recurrent networks.

``import longlag`` is light: each name is imported when it is used.

- :func:`compose` makes settings from what one types on the command line; :func:`build_task`, :func:`build_model` and
  :func:`build_cell` make the objects; :func:`train` runs them, as ``longlag train`` does.
- :func:`load_run` and :func:`load_study` read runs back.
- :class:`LSTM`, :class:`GRU` and so on, one for each cell, and :func:`layer`: layers as those of ``torch.nn``.
- ``longlag.cells``, ``longlag.tasks``, ``longlag.training``: every cell, task and Lightning part.
"""

import importlib
from typing import TYPE_CHECKING, Any

from longlag.start_up import defer_scipy_signal

if TYPE_CHECKING:
    from longlag import cells, tasks, training
    from longlag.api.run import Run, load_run
    from longlag.api.settings import build_cell, build_model, build_task, compose
    from longlag.api.study import Study, load_study
    from longlag.api.train import train
    from longlag.errors import RequestError
    from longlag.layers import (
        GRU,
        IRNN,
        LRU,
        LSTM,
        LSTM1997,
        MLSTM,
        RNN,
        SLSTM,
        CausalAttention,
        CoupledLSTM,
        ForgetLSTM2000,
        MinGRU,
        MinLSTM,
        PeepholeLSTM,
        RefinedLSTM,
        UnitaryRNN,
        layer,
    )
    from longlag.model import SequenceModel
    from longlag.training import SequenceModule

__version__ = "0.1.0"
defer_scipy_signal()

__all__ = [
    "GRU",
    "IRNN",
    "LRU",
    "LSTM",
    "LSTM1997",
    "MLSTM",
    "RNN",
    "SLSTM",
    "CausalAttention",
    "CoupledLSTM",
    "ForgetLSTM2000",
    "MinGRU",
    "MinLSTM",
    "PeepholeLSTM",
    "RefinedLSTM",
    "RequestError",
    "Run",
    "SequenceModel",
    "SequenceModule",
    "Study",
    "UnitaryRNN",
    "__version__",
    "build_cell",
    "build_model",
    "build_task",
    "cells",
    "compose",
    "layer",
    "load_run",
    "load_study",
    "tasks",
    "train",
    "training",
]

#: public name -> the module that defines it; every other public name is a subpackage or a layer
_MODULES = {
    "RequestError": "errors",
    "Run": "api.run",
    "SequenceModel": "model",
    "SequenceModule": "training",
    "Study": "api.study",
    "build_cell": "api.settings",
    "build_model": "api.settings",
    "build_task": "api.settings",
    "compose": "api.settings",
    "load_run": "api.run",
    "load_study": "api.study",
    "train": "api.train",
}


def __getattr__(name: str) -> Any:
    """Import a public name when it is used."""
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    if name in ("cells", "tasks", "training"):
        return importlib.import_module(f"{__name__}.{name}")
    value = getattr(importlib.import_module(f"{__name__}.{_MODULES.get(name, 'layers')}"), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    """Return the public names."""
    return sorted(__all__)
