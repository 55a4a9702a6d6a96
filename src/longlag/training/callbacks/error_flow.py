"""The error flow of a run: the probe that measures it and records it."""

import torch
from torch import Tensor

from longlag.flow.decay import decay, half_life
from longlag.flow.double_precision import float64_copy
from longlag.flow.error_flow import error_flow
from longlag.flow.gates import gate_figures
from longlag.flow.recurrent_weights import recurrent_figures
from longlag.model import SequenceModel
from longlag.runs.error_flow_csv import QUANTILES
from longlag.task import Batch
from longlag.training.callbacks.probe import Probe
from longlag.training.module import SequenceModule


class ErrorFlow(Probe):
    """Measure how the error flows back, layer by layer, at initialisation and at every validation.

    Recorded against the step, beside ``early_gradient``, for each layer k from 1 at the bottom:

    - ``layerK/gradient_decay``: the factor per step by which ‖dL/dc_t‖, or ‖dL/dh_t‖ in a cell without a cell state,
      changes on its way back, fitted over the lags. ``layerK/gradient_half_life`` is its half-life in steps, ``inf``
      where it does not fall; ``layerK/direct_half_life`` is that along the direct path alone.
    - ``layerK/memory_half_life`` and ``layerK/gate_…``: see :func:`longlag.flow.gates.gate_figures`.
    - ``layerK/norm_…``, ``layerK/radius_…``: see :func:`longlag.flow.recurrent_weights.recurrent_figures`.

    ``error_flow.csv`` gets the norms at every lag: see :mod:`longlag.runs.error_flow_csv`.

    Args:
        size: the number of sequences in the probe batch.

    Raises:
        ValueError: ``size`` is not a positive integer.

    """

    def __init__(self, size: int) -> None:
        super().__init__(size)
        self._double: SequenceModel | None = None

    def measure(self, module: SequenceModule, batch: Batch) -> dict[str, float]:
        """Return the figures of one measurement, and send the norms to the recorders."""
        if self._double is None:
            self._double = float64_copy(module.model)
        flow = error_flow(module.model, batch, module.task.loss, self._double)
        figures = {"early_gradient": flow.early_gradient}
        for k, (lags, tape) in enumerate(zip(flow.layers, flow.tapes, strict=True), start=1):
            layer = _decays(lags) | gate_figures(tape, batch.lengths) | recurrent_figures(tape.cell)
            figures |= {f"layer{k}/{name}": value for name, value in layer.items()}
        module.record_error_flow({k: over_sequences(lags) for k, lags in enumerate(flow.layers, start=1)})
        return figures


def over_sequences(lags: dict[str, Tensor]) -> dict[str, list[float]]:
    """Turn the norms of one layer, [K, B] each, into the columns of ``error_flow.csv``, K values each."""
    values = torch.stack(list(lags.values()))  # [names, K, B]
    counts = (~values.isnan()).sum(2)
    ordered = values.sort(2).values  # nan comes last
    columns = {"sequences": counts[0].double().tolist()}
    columns |= zip(lags, values.nanmean(2).tolist(), strict=True)
    # the nearest of the values: between -inf and a number there is nothing
    nearest = ((counts - 1)[..., None] * values.new_tensor(list(QUANTILES.values()))).round().long().clamp(min=0)
    quantiles = ordered.gather(2, nearest).transpose(1, 2).tolist()  # [names, quantiles, K]
    for name, columns_of in zip(lags, quantiles, strict=True):
        columns |= zip((f"{name}{end}" for end in QUANTILES), columns_of, strict=True)
    return columns


def _decays(lags: dict[str, Tensor]) -> dict[str, float]:
    figures: dict[str, float] = {}
    factor = decay(lags["dc"] if "dc" in lags else lags["dh"])
    if factor is not None:
        figures = {"gradient_decay": factor, "gradient_half_life": half_life(factor)}
    direct = decay(lags["dc_direct"]) if "dc_direct" in lags else None
    return figures if direct is None else {**figures, "direct_half_life": half_life(direct)}
