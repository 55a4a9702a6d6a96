"""Settings as plain dictionaries, and the objects that they describe."""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from longlag.cells import Cell
    from longlag.model import SequenceModel
    from longlag.task import Task


def compose(*overrides: str, config_dir: str | None = None) -> dict[str, Any]:
    """Return the settings of one run, as ``longlag train`` would make them from the same words.

    ::

        settings = longlag.compose("cell=gru", "task.T=40", "seed=3")
        settings["cell"]["hidden_size"]  # 32

    Args:
        overrides: what one types on the command line.
        config_dir: a folder with more YAML files, such as ``cell/mine.yaml``.

    Returns:
        A plain dictionary of dictionaries, resolved and checked. An environment variable stays a text that names it,
        ``${oc.env:NAME}``, until an object is made from it. All else is a value: what follows from another setting,
        such as ``task.splits.seed`` from ``seed``, is a value too, which a later change of the other setting leaves as
        it is.

    Raises:
        RequestError: an override is wrong; the message is one line.

    """
    from longlag.settings.compose import settings_of

    return settings_of(list(overrides), config_dir)


def build_task(settings: Mapping[str, Any]) -> "Task":
    """Make the task, a LightningDataModule.

    ::

        task = longlag.build_task(longlag.compose("task=adding", "task.T=20"))
        batch = task.draw("test", 0, 8)  # inputs [8, L, I], targets, lengths [8], mask [8, L]

    Args:
        settings: as :func:`compose` returns them.

    Raises:
        RequestError: a setting of the task is wrong.

    """
    from longlag.settings.build import build_task as build

    return build(settings)


def build_model(settings: Mapping[str, Any], task: "Task | None" = None) -> "SequenceModel":
    """Make the sequence model, with weights from torch's global generator.

    ::

        model = longlag.build_model(settings)
        outputs = model(batch.inputs, batch.lengths)  # [B, O], or [B, L, O] for a task that reads every step

    Args:
        settings: as :func:`compose` returns them.
        task: the task, which gives the sizes of inputs and outputs; made from the settings by default.

    Raises:
        RequestError: a setting of the cell, of ``init``, of ``model`` or the engine is wrong.

    """
    from longlag.settings.build import build_model as build

    return build(settings, build_task(settings) if task is None else task)


def build_cell(settings: Mapping[str, Any], input_size: int | None = None, **changes: Any) -> "Cell":
    """Make one cell, with its gates started as ``init`` says.

    ::

        cell = longlag.build_cell(longlag.compose("cell=lstm_peephole"), input_size=2, hidden_size=16)
        h, c = cell(x, cell.initial_state(batch_size=8))  # x [8, 2], h [8, H]

    Args:
        settings: as :func:`compose` returns them.
        input_size: I, the number of input channels; that of the task by default.
        changes: settings of the cell that replace those in ``settings``.

    Raises:
        RequestError: a setting of the cell or of ``init`` is wrong.

    """
    from longlag.settings.build import started_cell

    changed = {**settings, "cell": {**settings["cell"], **changes}}
    cell: Cell = started_cell(changed, build_task(settings).input_size if input_size is None else input_size)
    return cell
