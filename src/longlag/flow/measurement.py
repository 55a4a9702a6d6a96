"""A measurement of the error flow through a model."""

from collections.abc import Callable
from dataclasses import dataclass

from torch import Tensor

from longlag.task import Batch

#: The loss of a task: a mean over the sequences of a batch.
Loss = Callable[[Tensor, Batch], Tensor]


@dataclass(frozen=True)
class ErrorFlow:
    """The error flow through a model.

    Args:
        layers: for each layer, from the input up, log10 of norms over the units: ‖dL/dx_t‖ as ``dx``, and ``dh``,
            ``dc``, ``dx_direct`` and ``dc_direct`` likewise; each [K, B] by the lag 0 … K − 1, nan beyond the
            first step of a sequence. A cell without a cell state has no ``dc``, and a cell without a direct path none
            of the direct norms; ``dc_direct`` is the norm for h if h is the memory.
        early_gradient: as :func:`longlag.flow.early_gradient.early_gradient` returns it; measured in the same pass.
        gates: of each layer, figures of its gates; see :mod:`longlag.flow.gates`.

    """

    layers: list[dict[str, Tensor]]
    early_gradient: float
    gates: list[dict[str, float]]
