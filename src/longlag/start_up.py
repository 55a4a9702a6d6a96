"""A lighter start: a large part of another package that is imported on the way, and never used."""

import importlib
import sys
from types import ModuleType
from typing import Any

_NAME = "scipy.signal"


class _Deferred(ModuleType):
    """Stands for ``scipy.signal`` until somebody uses it."""

    hamming = None
    """The name that torchmetrics looks for."""

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__") and name not in ("__path__", "__all__"):  # asked of every module, by inspect
            raise AttributeError(name)
        if sys.modules.get(_NAME) is self:
            del sys.modules[_NAME]
        return getattr(importlib.import_module(_NAME), name)


def defer_scipy_signal() -> None:
    """Import ``scipy.signal`` at its first use.

    Where SciPy is installed, torchmetrics, and so Lightning, imports it to look for one name: a fifth of the time that
    ``longlag train`` takes to start.
    """
    if _NAME not in sys.modules:
        sys.modules[_NAME] = _Deferred(_NAME)
