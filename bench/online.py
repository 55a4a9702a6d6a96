"""On-line learning in the native engine against a bare PyTorch loop: nanoseconds a trial and time step.

The nets of Experiments 3 to 6 of Hochreiter & Schmidhuber 1997, 93 to 308 weights, trained on random sequences of 100
to 110 steps with a target at the end, one sequence after the other, on one thread. A trial is a run; 1, 8 and 16 of
them are trained side by side. The bare loop writes the steps of the cell out for one trial, with autograd and plain
descent. The time is that of the processor, so that other programs count less.
"""

import argparse
import platform
import statistics
import time
from pathlib import Path
from typing import NamedTuple

import torch
from torch import Tensor

from longlag.cells import LSTM1997Cell
from longlag.engine import Native
from longlag.engine.native.online import Descent, OnlineRuns
from longlag.model import SequenceModel
from longlag.task.batch import Batch

TRIALS = (1, 8, 16)


class Net(NamedTuple):
    """A net of the paper: its sizes, and the learning rate of its experiment."""

    inputs: int
    outputs: int
    blocks: int
    block_size: int
    readout_bias: bool
    rate: float

    def model(self) -> SequenceModel:
        """Return the net with weights drawn anew."""
        cell = LSTM1997Cell(self.inputs, self.blocks * self.block_size, self.block_size)
        return SequenceModel(cell, self.outputs, engine="eager", readout_bias=self.readout_bias)


NETS = {
    "3": Net(1, 1, 3, 1, False, 1.0),
    "4 and 5": Net(2, 1, 2, 2, True, 0.5),
    "6a": Net(8, 4, 2, 2, True, 0.5),
    "6b": Net(8, 8, 3, 2, True, 0.1),
}


def drawn(net: Net, count: int) -> Batch:
    """Return sequences with a target at the end."""
    lengths = torch.randint(100, 111, (count,))
    return Batch.answered_last(torch.randn(count, 110, net.inputs), torch.rand(count, net.outputs), lengths)


def native(net: Net, trials: int, count: int) -> tuple[float, int]:
    """Return the seconds of a call that trains each trial on so many sequences, and their steps."""
    runs = OnlineRuns([net.model() for _ in range(trials)], "logistic", Descent(net.rate))
    batches = [drawn(net, count) for _ in range(trials)]
    runs.train([batch.select(slice(2)) for batch in batches])
    start = time.process_time()
    runs.train(batches)
    return time.process_time() - start, sum(int(batch.lengths.sum()) for batch in batches)


def bare(net: Net, count: int) -> tuple[float, int]:
    """Return the same of the bare loop, for one trial."""
    model, batch = net.model(), drawn(net, count)
    start = time.process_time()
    for x, target, length in zip(batch.inputs, batch.targets, batch.lengths.tolist(), strict=True):
        error = torch.sigmoid(model.readout(_last_hidden(model.cells[0], x[:length]))) - target
        gradients = torch.autograd.grad(error.square().sum() / 2, list(model.parameters()))
        with torch.no_grad():
            for parameter, gradient in zip(model.parameters(), gradients, strict=True):
                parameter -= net.rate * gradient
    return time.process_time() - start, int(batch.lengths.sum())


def _last_hidden(cell: LSTM1997Cell, x: Tensor) -> Tensor:
    """Run the steps of a cell over one sequence [L, I], with the cut of the paper."""
    blocks = cell.hidden_size // cell.block_size
    h = s = x.new_zeros(cell.hidden_size)
    y = x.new_zeros(2 * blocks)
    for now in x.unbind():
        read = torch.cat([h.detach(), y.detach(), now])
        y = torch.sigmoid(torch.addmv(cell.W.bias, cell.W.weight, read))
        i, o = y.repeat_interleave(cell.block_size).chunk(2)
        s = s + i * 2 * torch.tanh(torch.addmv(cell.U.bias, cell.U.weight, read) / 2)
        h = o * torch.tanh(s / 2)
    return h


def processor() -> str:
    """Return the name of the processor, as Linux tells it."""
    info = Path("/proc/cpuinfo")
    lines = info.read_text().splitlines() if info.exists() else []
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.machine()


def main() -> None:
    """Print a row a net."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=9)
    parser.add_argument("--sequences", type=int, default=1000, help="of each trial in a round (default: 1000)")
    options = parser.parse_args()
    torch.set_num_threads(1)
    torch.manual_seed(0)
    print(f"{processor()}, {Native().level}, one thread, float32; nanoseconds a trial and time step, median (least)\n")
    columns = [*(f"{trials} trial{'s' if trials > 1 else ''}" for trials in TRIALS), "bare loop", "bare / 16 trials"]
    print(f"| experiment | weights | {' | '.join(columns)} |\n|{'---|' * (2 + len(columns))}")
    for name, net in NETS.items():
        taken: dict[int, list[float]] = {trials: [] for trials in (*TRIALS, 0)}
        for _ in range(options.rounds):
            for trials, figures in taken.items():
                seconds, steps = native(net, trials, options.sequences) if trials else bare(net, 5)
                figures.append(1e9 * seconds / steps)
        middle = {trials: statistics.median(figures) for trials, figures in taken.items()}
        cells = [f"{middle[trials]:.1f} ({min(taken[trials]):.1f})" for trials in taken]
        weights = sum(parameter.numel() for parameter in net.model().parameters())
        print(f"| {name} | {weights} | {' | '.join(cells)} | {middle[0] / middle[16]:.0f} |", flush=True)


if __name__ == "__main__":
    main()
