"""Cells that break the contract, or one of their claims, in one way each."""

import torch
from torch import nn

from longlag.cells import Cell, GatedCell, LSTMCell


class NoCellStateAfterAll(LSTMCell):
    """It has a memory of its own and claims that it has none."""

    has_cell_state = False


class StaysOnTheCpu(LSTMCell):
    def forward(self, x, state):
        h, c = super().forward(x, state)
        return h + torch.zeros(self.hidden_size, dtype=h.dtype, device="cpu"), c


class StaysInFloat32(LSTMCell):
    def forward(self, x, state):
        h, c = super().forward(x, state)
        return h.float(), c


class NormalisesOverTheBatch(LSTMCell):
    def forward(self, x, state):
        return super().forward(x - x.mean(dim=0), state)


class DropsAtRandom(LSTMCell):
    def forward(self, x, state):
        h, c = super().forward(x, state)
        return nn.functional.dropout(h, 0.5), c


class OtherWeightsEachTime(LSTMCell):
    made = 0

    def __init__(self, input_size, hidden_size, forget_bias=1.0):
        super().__init__(input_size, hidden_size, forget_bias)
        OtherWeightsEachTime.made += 1
        with torch.no_grad():
            self.W.bias[-1] = self.made


class CountsItsSteps(LSTMCell):
    """It keeps something of its own from call to call, beside the state."""

    steps = 0

    def forward(self, x, state):
        self.steps += 1
        h, c = super().forward(x, state)
        return h / self.steps, c


class OtherDirectPath(LSTMCell):
    def direct_path(self, x, state):
        return super().direct_path(x, state) ** 2


class NoDirectPath(LSTMCell):
    def direct_path(self, x, state):
        return None


class GateOfTwo(LSTMCell):
    def gates(self, x, state):
        return {name: 2 * gate for name, gate in super().gates(x, state).items()}


class BiasOfAnotherGate(LSTMCell):
    def gate_bias(self, name):
        return super().gate_bias({"i": "o", "o": "i"}.get(name, name))


class BiasTwice(GatedCell):
    """PyTorch's two biases, each set to what is written."""

    gate_names = ("f",)
    forget_gate = "f"
    packing = ("f", "g")

    def __init__(self, input_size, hidden_size, forget_bias=1.0):
        super().__init__(input_size, hidden_size)
        self.W = nn.Linear(input_size, 2 * hidden_size)
        self.V = nn.Linear(hidden_size, 2 * hidden_size)
        self.start_forget_gate(forget_bias)
        with torch.no_grad():
            self.V.bias[:hidden_size].fill_(forget_bias)

    def gates(self, x, state):
        return {"f": torch.sigmoid(self.W(x) + self.V(state[0])).chunk(2, dim=-1)[0]}

    def forward(self, x, state):
        f = self.gates(x, state)["f"]
        h = f * state[0] + (1 - f) * torch.tanh(self.W(x) + self.V(state[0])).chunk(2, dim=-1)[1]
        return h, h


class NotLinear(Cell):
    linear_in_state = True

    def __init__(self, input_size, hidden_size):
        super().__init__(input_size, hidden_size)
        self.W = nn.Linear(input_size, hidden_size)

    def forward(self, x, state):
        h = torch.tanh(self.W(x) + state[0])
        return h, h


class ReadsTheHiddenState(NotLinear):
    """Its memory is linear in itself, but the hidden state goes in too."""

    has_cell_state = True

    def forward(self, x, state):
        h, c = state
        c = 0.5 * c + self.W(x) * h
        return torch.tanh(c), c


class BiasTwiceBehindTheGates(LSTMCell):
    """Its gates() says what is written; its step does otherwise."""

    def forward(self, x, state):
        i, f, g, o = self.W(torch.cat([state[0], x], dim=-1)).chunk(4, dim=-1)
        c = torch.sigmoid(f + 1) * state[1] + torch.sigmoid(i) * torch.tanh(g)
        return torch.sigmoid(o) * torch.tanh(c), c


class OtherPacking(LSTMCell):
    """Its step packs i, f, o, g, and its gates() says i, f, g, o."""

    def forward(self, x, state):
        i, f, o, g = self.W(torch.cat([state[0], x], dim=-1)).chunk(4, dim=-1)
        c = torch.sigmoid(f) * state[1] + torch.sigmoid(i) * torch.tanh(g)
        return torch.sigmoid(o) * torch.tanh(c), c


class NeverOpens(LSTMCell):
    def gates(self, x, state):
        found = super().gates(x, state)
        return {**found, "o": 0.001 * found["o"]}


class CutsTooMuch(LSTMCell):
    """It cuts the gradient on purpose, and then doubles what is left."""

    truncated = True

    def forward(self, x, state):
        h, c = super().forward(x, (state[0].detach(), state[1]))
        return 2 * h - h.detach(), c


class OverwritesTheState(LSTMCell):
    def forward(self, x, state):
        h, c = super().forward(x, state)
        with torch.no_grad():
            state[1].add_(1)
        return h, c


class NoHalfPrecision(LSTMCell):
    def forward(self, x, state):
        h, c = super().forward(x, state)
        torch.complex(torch.nn.functional.linear(x, self.W.weight[:, -x.shape[1] :]), torch.zeros(1, dtype=h.dtype))
        return h, c


class WantsASequence(LSTMCell):
    """It cannot take an empty batch."""

    def forward(self, x, state):
        x.max()
        return super().forward(x, state)


class Keeps(Cell):
    """A memory without gates: what comes in is added."""

    has_carousel = True

    def __init__(self, input_size, hidden_size):
        super().__init__(input_size, hidden_size)
        self.W = nn.Linear(input_size, hidden_size, bias=False)

    def forward(self, x, state):
        h = state[0] + self.W(x)
        return h, h


class Leaks(Keeps):
    def forward(self, x, state):
        h = 0.99 * state[0] + self.W(x)
        return h, h


class NoGradientAtAll(LSTMCell):
    def forward(self, x, state):
        h, c = super().forward(x.detach(), state)
        return h.detach(), c


class MisspeltGate(LSTMCell):
    """Its packing has no gate i, and its step none either."""

    packing = ("in", "f", "g", "o")

    def forward(self, x, state):
        _, f, g, o = self._units(x, state)
        c = f * state[1] + g
        return o * torch.tanh(c), c


class SquaresItsOutputGate(LSTMCell):
    def forward(self, x, state):
        i, f, g, o = self._units(x, state)
        c = f * state[1] + i * g
        return o * o * torch.tanh(c), c


class DoesNotListen(LSTMCell):
    def forward(self, x, state):
        return super().forward(0 * x, state)


class NotFiniteInHalfPrecision(LSTMCell):
    def forward(self, x, state):
        h, c = super().forward(x, state)
        return h / float(self.W(torch.cat([h, x], dim=-1)).dtype != torch.bfloat16), c


class OverwritesItsInput(LSTMCell):
    def forward(self, x, state):
        h, c = super().forward(x, state)
        with torch.no_grad():
            x.mul_(2)
        return h, c
