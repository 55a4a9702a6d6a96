"""The error flow of a run: the probe that measures it and records it."""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from longlag.flow import measurement
from longlag.flow.decay import decays, half_life
from longlag.flow.double_precision import float64_copy
from longlag.flow.eager_flow import eager_flow
from longlag.flow.error_flow import error_flows
from longlag.flow.measurement import Loss
from longlag.flow.native_flow import runs_natively
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
        self._ahead: Measurement | None = None

    def measure(self, module: SequenceModule, batch: Batch) -> dict[str, float]:
        """Return the figures of one measurement, and send the norms to the recorders."""
        measured, self._ahead = self._ahead, None
        if measured is None:
            if runs_natively(module.model):
                (measured,) = measurements([module.model], [batch], [module.task.loss])
            else:
                self._double = self._double or float64_copy(module.model)
                (measured,) = _measured(
                    [eager_flow(module.model, batch, module.task.loss, self._double)], [module.model]
                )
        module.record_error_flow(measured.columns)
        return measured.figures

    def measure_ahead(self, measured: "Measurement") -> None:
        """Take what the next :meth:`measure` is to return, from a measurement of many runs at once."""
        self._ahead = measured


@dataclass(frozen=True)
class Measurement:
    """What a run records of its error flow.

    Args:
        figures: of each metric, by its key.
        columns: layer -> columns of ``error_flow.csv``.

    """

    figures: dict[str, float]
    columns: dict[int, dict[str, list[float]]]


def measurements(
    models: Sequence[SequenceModel], batches: Sequence[Batch], losses: Sequence[Loss]
) -> list[Measurement]:
    """Measure models of one kind at once; see :func:`longlag.flow.error_flow.error_flows`."""
    return _measured(error_flows(models, batches, losses), models)


def _measured(flows: Sequence[measurement.ErrorFlow], models: Sequence[SequenceModel]) -> list[Measurement]:
    layers = list(
        zip(*(_of_layer([flow.layers[k] for flow in flows]) for k in range(len(flows[0].layers))), strict=True)
    )
    results = []
    for flow, model, of_layers in zip(flows, models, layers, strict=True):
        figures, columns = {"early_gradient": flow.early_gradient}, {}
        for k, ((decay, lags), gates, cell) in enumerate(zip(of_layers, flow.gates, model.cells, strict=True), start=1):
            layer = decay | gates | recurrent_figures(cell)
            figures |= {f"layer{k}/{name}": value for name, value in layer.items()}
            columns[k] = lags
        results.append(Measurement(figures, columns))
    return results


def _of_layer(runs: Sequence[dict[str, Tensor]]) -> list[tuple[dict[str, float], dict[str, list[float]]]]:
    """Return of each run the rates of decay of one layer, and its columns of ``error_flow.csv``."""
    results: dict[int, tuple[dict[str, float], dict[str, list[float]]]] = {}
    alike: dict[torch.Size, list[int]] = {}
    for r, lags in enumerate(runs):
        alike.setdefault(lags["dx"].shape, []).append(r)
    for group in alike.values():
        values = {name: torch.stack([runs[r][name] for r in group]) for name in runs[0]}  # [R, K, B] each
        results |= zip(group, zip(_decays(values), over_sequences(values), strict=True), strict=True)
    return [results[r] for r in range(len(runs))]


def over_sequences(lags: dict[str, Tensor]) -> list[dict[str, list[float]]]:
    """Turn the norms of one layer of R runs, [R, K, B] each, into the columns of ``error_flow.csv``, K values each."""
    values = torch.stack(list(lags.values()), dim=1)  # [R, names, K, B]
    counts = (~values.isnan()).sum(3)
    ordered = values.sort(3).values  # nan comes last
    # the nearest of the values: between -inf and a number there is nothing
    nearest = ((counts - 1)[..., None] * values.new_tensor(list(QUANTILES.values()))).round().long().clamp(min=0)
    quantiles = ordered.gather(3, nearest).transpose(2, 3).tolist()  # [R, names, quantiles, K]
    means, reached = values.nanmean(3).tolist(), counts[:, 0].double().tolist()
    results = []
    for r in range(len(values)):
        columns = {"sequences": reached[r], **dict(zip(lags, means[r], strict=True))}
        for name, columns_of in zip(lags, quantiles[r], strict=True):
            columns |= zip((f"{name}{end}" for end in QUANTILES), columns_of, strict=True)
        results.append(columns)
    return results


def _decays(lags: dict[str, Tensor]) -> list[dict[str, float]]:
    """Return the rates of decay of R runs."""
    figures: list[dict[str, float]] = [{} for _ in lags["dx"]]
    for figure, factor in zip(figures, decays(lags["dc"] if "dc" in lags else lags["dh"]), strict=True):
        if factor is not None:
            figure |= {"gradient_decay": factor, "gradient_half_life": half_life(factor)}
    directs = decays(lags["dc_direct"]) if "dc_direct" in lags else [None] * len(figures)
    for figure, direct in zip(figures, directs, strict=True):
        if direct is not None:
            figure["direct_half_life"] = half_life(direct)
    return figures
