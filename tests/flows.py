"""What the tests of the error flow have in common: cells, batches, a loss, and a loop in plain PyTorch."""

import torch
from torch.nn.functional import cross_entropy

from longlag import build_cell, compose
from longlag.settings.compose import conf_dir
from longlag.task import Batch

CELLS = sorted(path.stem for path in (conf_dir() / "cell").glob("*.yaml"))
#: Cells of which the rest of the state can be cut by hand, since no gate of theirs sees the memory.
CUT_BY_HAND = [
    name for name in CELLS if name not in ("rnn", "irnn", "unitary_rnn", "causal_attention", "gru", "lstm_peephole")
]


def classified(outputs, batch):
    """The cross-entropy of the steps that count, a mean over the sequences."""
    if outputs.dim() == 2:
        return cross_entropy(outputs, batch.targets)
    losses = cross_entropy(outputs.transpose(1, 2), batch.targets[:, None].expand(batch.mask.shape), reduction="none")
    return (losses * batch.mask).sum(1).mean()


def batch_of(B, L, I=2, lengths=None, mask=None, seed=0):  # noqa: E741
    generator = torch.Generator().manual_seed(seed)
    lengths = torch.full((B,), L) if lengths is None else torch.tensor(lengths)
    if mask is None:
        mask = torch.arange(L) == (lengths - 1)[:, None]
    inputs = torch.randn(B, L, I, generator=generator) * (torch.arange(L) < lengths[:, None])[..., None]
    return Batch(inputs, torch.randint(2, (B,), generator=generator), lengths, mask)


def made(name, input_size=2, **changes):
    return build_cell(compose(f"cell={name}"), input_size, **{"hidden_size": 8, **changes})


def assert_close(log10_norms, expected):
    """Compare logarithms; 1e-9 of the norm is left for rounding over some dozens of steps."""
    torch.testing.assert_close(log10_norms, expected, rtol=0, atol=1e-9, equal_nan=True)


def looped(cell, x, h_to_output, step):
    """Return the memories and inputs, with their gradients, of a loop over ``step(cell, x, state)``."""
    inputs = [x_t[None].requires_grad_() for x_t in x]
    state, memories = cell.initial_state(1, dtype=torch.float64), []
    for x_t in inputs:
        state = step(cell, x_t, state)
        memories.append(cell.memory(state))
        if memories[-1].grad_fn is not None:
            memories[-1].retain_grad()
    h_to_output(state[0]).backward()
    return memories, inputs
