"""A model that sees only the last steps."""

import torch
from torch import Tensor, nn

from longlag.task import Task


class WindowModel(nn.Module):
    """A perceptron with one hidden layer over the last ``k`` steps, without a memory beyond them.

    Args:
        input_size: I.
        output_size: O.
        k: the number of steps that it sees; steps before the first one are zeros.
        readout: ``last`` gives outputs for the last valid step, ``every`` for all of them.
        hidden: the size of the hidden layer.

    """

    def __init__(self, input_size: int, output_size: int, k: int, readout: str = "last", hidden: int = 64) -> None:
        super().__init__()
        self.k = k
        self.reads = readout
        self.layers = nn.Sequential(nn.Linear(k * input_size, hidden), nn.ReLU(), nn.Linear(hidden, output_size))

    def forward(self, x: Tensor, lengths: Tensor) -> Tensor:
        """Return outputs [B, O] or [B, L, O] for sequences [B, L, I] of these lengths [B]."""
        padded = torch.cat([x.new_zeros(len(x), self.k - 1, x.shape[2]), x], dim=1)  # [B, k − 1 + L, I]
        windows = padded.unfold(1, self.k, 1)  # [B, L, I, k]
        if self.reads == "last":
            windows = windows[torch.arange(len(x)), lengths - 1]  # [B, I, k]
        outputs: Tensor = self.layers(windows.flatten(-2))
        return outputs


def trained_window(task: Task, k: int, steps: int, batch_size: int, seed: int = 0) -> WindowModel:
    """Train a window model with Adam on fresh sequences of the task's probe stream.

    Args:
        task: the task.
        k: the number of steps that the model sees.
        steps: the optimizer steps.
        batch_size: the sequences in a step.
        seed: decides the weights.

    """
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        model = WindowModel(task.input_size, task.output_size, k, task.readout)
    optimizer = torch.optim.Adam(model.parameters(), lr=3e-3)
    for step in range(steps):
        batch = task.draw("probe", 1 + step, batch_size)
        loss = task.loss(model(batch.inputs, batch.lengths), batch)
        optimizer.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]
        optimizer.step()
    return model
