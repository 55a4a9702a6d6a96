"""The ways to run a cell over time that are measured against each other.

To add one, write a subclass of :class:`Contender` in a file of its own, and put it into the list below. An engine needs
three lines in ``engines.py``.
"""

from longlag.benchmark.contenders.bare_module import BareModule
from longlag.benchmark.contenders.contender import Contender, TorchContender
from longlag.benchmark.contenders.engines import (
    AllRuns,
    CompiledContender,
    EagerContender,
    NativeContender,
    OneRun,
    ScanContender,
    TorchModulesContender,
    TritonContender,
)
from longlag.benchmark.contenders.flash_rnn import FlashRNN
from longlag.benchmark.contenders.jax_scan import JaxScan
from longlag.benchmark.contenders.torch_recurrent import TorchRecurrent

#: All of them, in the order in which they are listed.
CONTENDERS: tuple[type[Contender], ...] = (
    NativeContender, TritonContender, EagerContender, TorchModulesContender, ScanContender,
    BareModule, FlashRNN, JaxScan, TorchRecurrent, CompiledContender,
)  # fmt: skip

__all__ = ["CONTENDERS", "AllRuns", "Contender", "OneRun", "TorchContender"]
