"""The ways to run a cell over time that are measured against each other.

Another one is a subclass of :class:`Contender` in a file of its own, and its name in the list below.
"""

from longlag.benchmark.contenders.bare_module import BareModule
from longlag.benchmark.contenders.contender import Contender, TorchContender
from longlag.benchmark.contenders.engines import Compiled, Eager, Native, Scan, Torch, Triton
from longlag.benchmark.contenders.flash_rnn import FlashRNN
from longlag.benchmark.contenders.jax_scan import JaxScan
from longlag.benchmark.contenders.torch_recurrent import TorchRecurrent

#: All of them, in the order in which they are listed.
CONTENDERS: tuple[type[Contender], ...] = (
    Native, Triton, Eager, Torch, Scan, BareModule, FlashRNN, JaxScan, TorchRecurrent, Compiled,
)  # fmt: skip

__all__ = ["CONTENDERS", "Contender", "TorchContender"]
