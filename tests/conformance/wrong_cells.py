"""LSTMs with one mistake each, such as people make."""

import torch

from longlag.cells import LSTMCell


class _Scale(torch.autograd.Function):
    @staticmethod
    def forward(ctx, x):
        return x.clone()

    @staticmethod
    def backward(ctx, gradient):
        return 0.1 * gradient


class Steps(LSTMCell):
    """The right LSTM, with its parts as methods, so that a mistake is one line."""

    def parts(self, h, x):
        i, f, g, o = self.W(torch.cat([h, x], dim=-1)).chunk(4, dim=-1)
        return i.sigmoid(), f.sigmoid(), g.tanh(), o.sigmoid()

    def new_c(self, i, f, g, c):
        return f * c + i * g

    def new_h(self, o, c):
        return o * torch.tanh(c)

    def forward(self, x, state):
        h, c = state
        i, f, g, o = self.parts(h, x)
        c = self.new_c(i, f, g, c)
        return self.new_h(o, c), c


class NoForgetBias(Steps):
    def start_forget_gate(self, bias):
        pass


class BiasOfAllGates(Steps):
    def start_forget_gate(self, bias):
        with torch.no_grad():
            self.W.bias.fill_(bias)


class BiasOfTheWrongGate(Steps):
    def start_forget_gate(self, bias):
        self.gate_bias("i").fill_(bias)


class NotAdditive(Steps):
    def new_c(self, i, f, g, c):
        return i * g


class ForgetsByMultiplying(Steps):
    def new_c(self, i, f, g, c):
        return f * (c + i * g)


class SwappedInputAndForget(Steps):
    def parts(self, h, x):
        i, f, g, o = super().parts(h, x)
        return f, i, g, o


class SwappedForgetAndOutput(Steps):
    def parts(self, h, x):
        i, f, g, o = super().parts(h, x)
        return i, o, g, f


class SwappedCandidateAndOutput(Steps):
    def parts(self, h, x):
        i, f, g, o = self.W(torch.cat([h, x], dim=-1)).chunk(4, dim=-1)
        return i.sigmoid(), f.sigmoid(), o.tanh(), g.sigmoid()


class ReturnsCAsH(Steps):
    def forward(self, x, state):
        _, c = super().forward(x, state)
        return c, c


class NoTanhOnTheOutput(Steps):
    def new_h(self, o, c):
        return o * c


class TanhGates(Steps):
    def parts(self, h, x):
        i, f, g, o = self.W(torch.cat([h, x], dim=-1)).chunk(4, dim=-1)
        return i.tanh(), f.sigmoid(), g.tanh(), o.sigmoid()


class ScalesTheGradient(Steps):
    """Right in its values; the error loses nine tenths at every step."""

    def forward(self, x, state):
        h, c = super().forward(x, state)
        return _Scale.apply(h), _Scale.apply(c)


class DetachesTheState(Steps):
    def forward(self, x, state):
        h, c = state
        return super().forward(x, (h, c.detach()))


class ReadsOnlyTheInput(Steps):
    """Never looks at h: the values are an LSTM's, but not those that its W says."""

    def parts(self, h, x):
        return super().parts(torch.zeros_like(h), x)


class ForgetsToReturnTheState(Steps):
    def forward(self, x, state):
        return super().forward(x, state)[0]


class WrongShape(Steps):
    def forward(self, x, state):
        h, c = super().forward(x, state)
        return h.T, c


class Explodes(Steps):
    def new_c(self, i, f, g, c):
        return 10 * c + i * g + 1e37
