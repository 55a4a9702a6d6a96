"""What each cell computes from its pre-activations, and the derivative, for a tile of sequences and units.

The names of the updates and the order of their gates are those of ``native/csrc/updates.h``.
"""

# Triton compiles the bodies of these functions from their source; sizes in capitals are constants of the build.
# mypy: disable-error-code="no-untyped-def, no-untyped-call, untyped-decorator"

import triton
import triton.language as tl


@triton.jit
def tanh(x):
    """Return the hyperbolic tangent, by e^−2|x| − 1, which does not overflow."""
    e = tl.exp(-2.0 * tl.abs(x))
    size = (1.0 - e) / (1.0 + e)
    small = x * (1.0 - x * x * (1.0 / 3.0 - x * x * (2.0 / 15.0 - x * x * (17.0 / 315.0))))  # it keeps its digits
    return tl.where(tl.abs(x) < 0.1, small, tl.where(x < 0, -size, size))


@triton.jit
def sigmoid(x):
    """Return σ(x)."""
    return 1.0 / (1.0 + tl.exp(-x))


@triton.jit
def forward(CELL: tl.constexpr, z0, z1, z2, z3, c, p0, p1, p2):
    """Return h and the memory after a step [rows, units], from pre-activations z, the memory c and peepholes p."""
    if CELL == "Lstm" or CELL == "PeepholeLstm":
        i, f, g = sigmoid(z0 + p0 * c), sigmoid(z1 + p1 * c), tanh(z2)
        c = f * c + i * g
        h = sigmoid(z3 + p2 * c) * tanh(c)
    elif CELL == "CoupledLstm":
        f = sigmoid(z0)
        c = f * c + (1.0 - f) * tanh(z1)
        h = sigmoid(z2) * tanh(c)
    elif CELL == "RefinedLstm":
        f = sigmoid(z0)
        e = f + (2.0 * sigmoid(z1) - 1.0) * f * (1.0 - f)
        c = e * c + (1.0 - e) * tanh(z2)
        h = sigmoid(z3) * tanh(c)
    elif CELL == "Block1997":
        c += sigmoid(z0) * (2.0 * tanh(z2 * 0.5))
        h = sigmoid(z1) * tanh(c * 0.5)
    elif CELL == "Cell1997":
        c += sigmoid(z0) * sigmoid(z1)
        h = c
    elif CELL == "ForgetBlock":
        c = sigmoid(z1) * c + sigmoid(z0) * (2.0 * tanh(z3 * 0.5))
        h = sigmoid(z2) * tanh(c * 0.5)
    elif CELL == "Gru":
        z = sigmoid(z1)
        c = z * c + (1.0 - z) * tanh(z3 + sigmoid(z0) * z2)
        h = c
    elif CELL == "Rnn":
        c = tanh(z0)
        h = c
    else:  # Irnn
        c = tl.where(z0 <= 0, 0.0, z0)  # nan stays nan
        h = c
    return h, c


@triton.jit
def backward(
    CELL: tl.constexpr,
    z0,
    z1,
    z2,
    z3,
    before,
    c,
    dh,
    dc,
    p0,
    p1,
    p2,
):
    """Return the gradients of four pre-activations, of which a cell may use fewer, and of the memory before."""
    d1 = tl.zeros_like(dh)
    d2, d3, on = d1, d1, d1
    if CELL == "Lstm" or CELL == "PeepholeLstm":
        i, f, g = sigmoid(z0 + p0 * before), sigmoid(z1 + p1 * before), tanh(z2)
        o, squashed = sigmoid(z3 + p2 * c), tanh(c)
        d3 = dh * squashed * o * (1.0 - o)
        dc = dc + dh * o * (1.0 - squashed * squashed) + d3 * p2
        d0 = dc * g * i * (1.0 - i)
        d1 = dc * before * f * (1.0 - f)
        d2 = dc * i * (1.0 - g * g)
        on = dc * f + d0 * p0 + d1 * p1
    elif CELL == "CoupledLstm":
        f, g, o, squashed = sigmoid(z0), tanh(z1), sigmoid(z2), tanh(c)
        dc = dc + dh * o * (1.0 - squashed * squashed)
        d0 = dc * (before - g) * f * (1.0 - f)
        d1 = dc * (1.0 - f) * (1.0 - g * g)
        d2 = dh * squashed * o * (1.0 - o)
        on = dc * f
    elif CELL == "RefinedLstm":
        f, r, u, o, squashed = sigmoid(z0), sigmoid(z1), tanh(z2), sigmoid(z3), tanh(c)
        e = f + (2.0 * r - 1.0) * f * (1.0 - f)
        dc = dc + dh * o * (1.0 - squashed * squashed)
        of_f = dc * (before - u) * f * (1.0 - f)
        d0 = of_f * (1.0 + (2.0 * r - 1.0) * (1.0 - 2.0 * f))
        d1 = of_f * 2.0 * r * (1.0 - r)
        d2 = dc * (1.0 - e) * (1.0 - u * u)
        d3 = dh * squashed * o * (1.0 - o)
        on = dc * e
    elif CELL == "Block1997":
        i, o, g = sigmoid(z0), sigmoid(z1), 2.0 * tanh(z2 * 0.5)
        power = tl.exp(-tl.abs(c))
        slope = 4.0 * power / ((1.0 + power) * (1.0 + power))  # of tanh at c / 2, which keeps its digits
        on = dc + dh * o * slope * 0.5
        d0 = on * g * i * (1.0 - i)
        d1 = dh * tanh(c * 0.5) * o * (1.0 - o)
        d2 = on * i * (1.0 - g * g * 0.25)
    elif CELL == "Cell1997":
        i, g = sigmoid(z0), sigmoid(z1)
        on = dh + dc
        d0 = on * g * i * (1.0 - i)
        d1 = on * i * g * (1.0 - g)
    elif CELL == "ForgetBlock":
        i, f, o, g, squashed = sigmoid(z0), sigmoid(z1), sigmoid(z2), 2.0 * tanh(z3 * 0.5), tanh(c * 0.5)
        dc = dc + dh * o * (1.0 - squashed * squashed) * 0.5
        d0 = dc * g * i * (1.0 - i)
        d1 = dc * before * f * (1.0 - f)
        d2 = dh * squashed * o * (1.0 - o)
        d3 = dc * i * (1.0 - g * g * 0.25)
        on = dc * f
    elif CELL == "Gru":
        r, z = sigmoid(z0), sigmoid(z1)
        n = tanh(z3 + r * z2)
        whole = dh + dc
        d3 = whole * (1.0 - z) * (1.0 - n * n)
        d2 = d3 * r
        d1 = whole * (before - n) * z * (1.0 - z)
        d0 = d3 * z2 * r * (1.0 - r)
        on = whole * z
    elif CELL == "Rnn":
        d0 = (dh + dc) * (1.0 - c * c)
    else:  # Irnn
        d0 = tl.where(c <= 0, 0.0, dh + dc)
    return d0, d1, d2, d3, on
