"""Contenders with which something is wrong, for the tests of the benchmark."""

import math

from longlag.benchmark.contenders import TorchContender
from longlag.benchmark.contenders.engines import EagerContender


class Right(TorchContender):
    """The eager loop under another name; ``calls`` counts how often it is run."""

    name = "right"
    calls = 0

    def __init__(self, given):
        super().__init__(given)
        self._eager = EagerContender(given)

    def leaves(self, run):
        return self._eager.leaves(run)

    def last(self, run):
        type(self).calls += 1
        return self._eager.last(run)


class Wrong(Right):
    """The gradient of the biases is off by a part in a thousand."""

    name = "wrong"
    factor = 1.001

    def gradients(self, run):
        found = super().gradients(run)
        return {**found, "W.bias": found["W.bias"] * self.factor}


class NoNumber(Wrong):
    """It is no number."""

    name = "no number"
    factor = math.nan


class WrongInTheLastRun(Wrong):
    """It is off in all runs but the first."""

    name = "wrong in the last run"

    def gradients(self, run):
        return super().gradients(run) if run else Right.gradients(self, run)


class Breaking(Right):
    """Its gradient is right, but it cannot be run forward alone."""

    name = "breaking"

    def forward(self, run):
        raise RuntimeError("it broke\nin two lines")


class Unbuilt(Right):
    """It cannot be built here."""

    name = "unbuilt"

    def __init__(self, given):
        raise ValueError("there is no compiler")
