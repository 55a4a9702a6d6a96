"""Runs that are trained on-line, and the plain loop that they must equal."""

import copy

import torch
from native_cells import busy
from torch.func import functional_call

from longlag.engine.native.online import Descent, OnlineRuns
from longlag.model import SequenceModel
from longlag.task.batch import Batch

INPUTS, HIDDEN, OUTPUTS = 3, 6, 2


def model_of(name, readout="last", bias=True, seed=0, dtype=torch.float64, inputs=INPUTS, shortcut=False):
    cell = busy(name, inputs, HIDDEN, seed)
    return SequenceModel(cell, OUTPUTS, readout, engine="eager", readout_bias=bias, shortcut=shortcut).to(dtype)


def sequences(N, L, loss, every, seed=0, dtype=torch.float64, inputs=INPUTS):
    """Sequences of 1 to L steps; about half of the steps have a target, the last one always. The padding is nan."""
    draws = torch.Generator().manual_seed(seed)
    lengths = torch.randint(1, L + 1, (N,), generator=draws)
    x = torch.randn(N, L, inputs, generator=draws).to(dtype)
    x[torch.arange(L) >= lengths[:, None]] = torch.nan
    mask = (torch.rand(N, L, generator=draws) < 0.5) & (torch.arange(L) < lengths[:, None])
    mask[torch.arange(N), lengths - 1] = True
    shape = (N, L) if every else (N,)
    if loss == "softmax":
        targets = torch.randint(OUTPUTS, shape, generator=draws)
    else:
        targets = torch.rand(*shape, OUTPUTS, generator=draws).to(dtype)
    return Batch(x, targets, lengths, mask)


def loss_of(nets, targets, loss):
    """The loss of the steps that count, [S, O]."""
    if loss == "softmax":
        return torch.nn.functional.cross_entropy(nets, targets)
    return ((torch.sigmoid(nets) if loss == "logistic" else nets) - targets).square().sum() / 2


def plain_loop(model, batch, loss, descent):
    """Train a model with autograd and torch.optim.SGD, a sequence a batch; return the losses and all outputs."""
    optimizer = torch.optim.SGD(model.parameters(), lr=descent.rate, momentum=descent.momentum)
    losses, outputs = [], []
    for k, n in enumerate(batch.lengths.tolist()):
        optimizer.param_groups[0]["lr"] = descent.rate * descent.decay**k
        nets, targets = model(batch.inputs[k : k + 1, :n]), batch.targets[k : k + 1]
        if model.reads == "every":
            counted = batch.mask[k, :n]
            nets, targets = nets[0, counted], targets[0, :n][counted]
        value = loss_of(nets, targets, loss)
        optimizer.zero_grad()
        value.backward()
        optimizer.step()
        losses.append(value.item())
        outputs.append(nets.detach())
    return torch.tensor(losses, dtype=torch.float64), torch.cat(outputs)


def loop_of_steps(model, batch, loss, descent):
    """Train a model with an update after each step that counts; the derivatives of the memory are of older weights.

    Each step has weights of its own for autograd, whose gradients are added up.
    """
    cell, parameters = model.cells[0], dict(model.named_parameters())
    sums = {name: torch.zeros_like(part) for name, part in parameters.items()}
    updates = 0
    for k, n in enumerate(batch.lengths.tolist()):
        state, used = cell.initial_state(1, dtype=batch.inputs.dtype), []
        share = 1 / int(batch.mask[k].sum()) if loss == "softmax" else 1
        for t in range(n):
            used.append({name: part.detach().clone().requires_grad_() for name, part in parameters.items()})
            of_cell = {name.removeprefix("cells.0."): part for name, part in used[-1].items() if "cells" in name}
            state = functional_call(cell, of_cell, (batch.inputs[k : k + 1, t], state))
            if not batch.mask[k, t]:
                continue
            nets = torch.nn.functional.linear(state[0], used[-1]["readout.weight"], used[-1].get("readout.bias"))
            value = share * loss_of(nets, batch.targets[k, t : t + 1], loss)
            leaves = [part for parts in used for part in parts.values()]
            found = torch.autograd.grad(value, leaves, retain_graph=True, allow_unused=True, materialize_grads=True)
            rate = descent.rate * descent.decay ** (updates if descent.decay_by == "update" else k)
            with torch.no_grad():
                for at, (name, part) in enumerate(parameters.items()):
                    sums[name] = descent.momentum * sums[name] + sum(found[at :: len(parameters)])
                    part -= rate * sums[name]
            updates += 1


def trained(models, batches, loss, descents, **how):
    """What copies of models give, with the parameters that they end with."""
    models = [copy.deepcopy(model) for model in models]
    runs = OnlineRuns(models, loss, descents, **how)
    results = runs.train(batches)
    runs.store()
    ends = [torch.cat([part.detach().flatten() for part in model.parameters()]) for model in models]
    return [(end, result.losses, result.nets) for end, result in zip(ends, results, strict=True)]


def off(got, wanted):
    """The norm of the difference, as a part of the norm."""
    return ((got - wanted).norm() / wanted.norm()).item()


def flat(model):
    return torch.cat([part.detach().flatten() for part in model.parameters()])


PLAIN = Descent(0.05)
BUSY = Descent(0.05, momentum=0.5, decay=0.995)
