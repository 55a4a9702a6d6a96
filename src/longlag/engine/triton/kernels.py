"""The recurrence as two Triton kernels: a program takes some sequences of a run over all steps, its state in registers.

PyTorch computes the products of x for all steps before the forward kernel, and the gradients of the weights after the
backward kernel: a GPU's own library does these best. Each kernel is one loop over time. A step multiplies h, and the
gates that are read, by the matrix of each gate, and applies the pointwise part of ``updates``.
"""

# Triton compiles the bodies of these functions from their source; sizes in capitals are constants of the build.
# mypy: disable-error-code="no-untyped-def, no-untyped-call, untyped-decorator"

import triton
import triton.language as tl

from longlag.engine.triton.updates import backward, forward, sigmoid


@triton.jit
def _gate(z, here, gate, H, mask):
    """Load the pre-activations of a gate, [rows, units]."""
    return tl.load(z + here + gate * H, mask=mask, other=0.0)


@triton.jit
def _peephole(at, units, H):
    """Load the peepholes of a gate, [1, units]."""
    return tl.load(at, mask=units < H, other=0.0)[None, :]


@triton.jit
def _through(d, matrix, down, across, units, H):
    """Return d [rows, UNITS] times the matrix of a gate [H, H], whose strides are down and across."""
    mask = (units[:, None] < H) & (units[None, :] < H)
    w = tl.load(matrix + units[:, None] * down + units[None, :] * across, mask=mask, other=0.0)
    return tl.dot(d, w, input_precision="ieee")


@triton.jit
def _read(h, y0, y1, matrix, K, units, H, READ: tl.constexpr):
    """Return the part of a pre-activation that comes from h, and from the gates of the step before if they are read."""
    sums = _through(h, matrix, 1, K, units, H)
    if READ == 2:
        sums += _through(y0, matrix + H, 1, K, units, H)
        sums += _through(y1, matrix + 2 * H, 1, K, units, H)
    return sums


@triton.jit
def _back(d0, d1, d2, d3, matrix, K, units, H, OF_H: tl.constexpr):
    """Return the gradient of h, or of a gate that is read, whose columns of the weights start at matrix."""
    sums = _through(d0, matrix, K, 1, units, H)
    if OF_H > 1:
        sums += _through(d1, matrix + H * K, K, 1, units, H)
        sums += _through(d2, matrix + 2 * H * K, K, 1, units, H)
    if OF_H > 3:
        sums += _through(d3, matrix + 3 * H * K, K, 1, units, H)
    return sums


@triton.jit
def forward_kernel(
    z,  # [R, T, B, G, H]: the part of x in the pre-activations; the whole pre-activations afterwards
    weights,  # [R, G, H, K]: the kernel reads the first H columns, and READ·H after them
    peepholes,  # [R, P, H]
    h,  # [R, T + 1, B, H], the initial state first
    c,  # the same of the memory
    y,  # [R, READ, B, H]: the gates before the first step, if they are read
    T,
    B,
    H,
    K,
    CELL: tl.constexpr,
    G: tl.constexpr,
    OF_H: tl.constexpr,
    P: tl.constexpr,
    READ: tl.constexpr,
    ROWS: tl.constexpr,
    UNITS: tl.constexpr,
):
    """Go forward over all steps; one program for ROWS sequences of a run."""
    run = tl.program_id(1).to(tl.int64)
    rows = tl.program_id(0) * ROWS + tl.arange(0, ROWS)
    units = tl.arange(0, UNITS)
    mask = (rows[:, None] < B) & (units[None, :] < H)
    matrix = weights + run * G * H * K
    state = rows[:, None] * H + units[None, :]
    start = run * (T + 1) * B * H
    h_now = tl.load(h + start + state, mask=mask, other=0.0)
    c_now = tl.load(c + start + state, mask=mask, other=0.0)
    p0, p1, p2 = 0.0, 0.0, 0.0
    if P == 3:
        at = peepholes + run * P * H + units
        p0, p1, p2 = _peephole(at, units, H), _peephole(at + H, units, H), _peephole(at + 2 * H, units, H)
    step = tl.full([], B, tl.int64) * H  # numbers of a state; over many steps they exceed 32 bits
    y0, y1 = h_now, h_now
    if READ == 2:
        y0 = tl.load(y + run * READ * B * H + state, mask=mask, other=0.0)
        y1 = tl.load(y + (run * READ + 1) * B * H + state, mask=mask, other=0.0)
    for t in range(T):
        here = ((run * T + t) * B + rows[:, None]) * G * H + units[None, :]
        z0 = _gate(z, here, 0, H, mask)
        if OF_H > 0:
            z0 += _read(h_now, y0, y1, matrix, K, units, H, READ)
            tl.store(z + here, z0, mask=mask)
        z1, z2, z3 = z0, z0, z0
        if G > 1:
            z1 = _gate(z, here, 1, H, mask)
            if OF_H > 1:
                z1 += _read(h_now, y0, y1, matrix + H * K, K, units, H, READ)
                tl.store(z + here + H, z1, mask=mask)
        if G > 2:
            z2 = _gate(z, here, 2, H, mask) + _read(h_now, y0, y1, matrix + 2 * H * K, K, units, H, READ)
            tl.store(z + here + 2 * H, z2, mask=mask)
        if G > 3:
            z3 = _gate(z, here, 3, H, mask)
            if OF_H > 3:
                z3 += _read(h_now, y0, y1, matrix + 3 * H * K, K, units, H, READ)
                tl.store(z + here + 3 * H, z3, mask=mask)
        if READ == 2:
            y0, y1 = tl.where(mask, sigmoid(z0), 0.0), tl.where(mask, sigmoid(z1), 0.0)
        h_now, c_now = forward(CELL, z0, z1, z2, z3, c_now, p0, p1, p2)
        h_now, c_now = tl.where(mask, h_now, 0.0), tl.where(mask, c_now, 0.0)
        tl.store(h + start + (t + 1) * step + state, h_now, mask=mask)
        tl.store(c + start + (t + 1) * step + state, c_now, mask=mask)


@triton.jit
def backward_kernel(
    z,  # the pre-activations; their gradients afterwards
    weights,
    peepholes,
    c,
    d_out,  # [R, T, B, H]
    d_h,  # [R, B, H]: of the last h; of the initial h afterwards
    d_c,  # the same of the memory
    d_y,  # [R, READ, B, H]: of the last gates that are read; of the initial gates afterwards
    T,
    B,
    H,
    K,
    CELL: tl.constexpr,
    G: tl.constexpr,
    OF_H: tl.constexpr,
    P: tl.constexpr,
    READ: tl.constexpr,
    CUT: tl.constexpr,
    ROWS: tl.constexpr,
    UNITS: tl.constexpr,
):
    """Go back over all steps; one program for ROWS sequences of a run."""
    run = tl.program_id(1).to(tl.int64)
    rows = tl.program_id(0) * ROWS + tl.arange(0, ROWS)
    units = tl.arange(0, UNITS)
    mask = (rows[:, None] < B) & (units[None, :] < H)
    matrix = weights + run * G * H * K
    state = rows[:, None] * H + units[None, :]
    start = run * (T + 1) * B * H
    dh = tl.load(d_h + run * B * H + state, mask=mask, other=0.0)
    dc = tl.load(d_c + run * B * H + state, mask=mask, other=0.0)
    p0, p1, p2 = 0.0, 0.0, 0.0
    if P == 3:
        at = peepholes + run * P * H + units
        p0, p1, p2 = _peephole(at, units, H), _peephole(at + H, units, H), _peephole(at + 2 * H, units, H)
    step = tl.full([], B, tl.int64) * H
    dy0, dy1 = dh, dh
    of_y0 = run * READ * B * H + state
    of_y1 = of_y0 + step
    if READ == 2:
        dy0, dy1 = tl.load(d_y + of_y0, mask=mask, other=0.0), tl.load(d_y + of_y1, mask=mask, other=0.0)
    for back in range(T):
        t = T - 1 - back
        here = ((run * T + t) * B + rows[:, None]) * G * H + units[None, :]
        dh += tl.load(d_out + (run * T + t) * step + state, mask=mask, other=0.0)
        before = tl.load(c + start + t * step + state, mask=mask, other=0.0)
        after = tl.load(c + start + (t + 1) * step + state, mask=mask, other=0.0)
        z0 = _gate(z, here, 0, H, mask)
        z1, z2, z3 = z0, z0, z0
        if G > 1:
            z1 = _gate(z, here, 1, H, mask)
        if G > 2:
            z2 = _gate(z, here, 2, H, mask)
        if G > 3:
            z3 = _gate(z, here, 3, H, mask)
        d0, d1, d2, d3, dc = backward(CELL, z0, z1, z2, z3, before, after, dh, dc, p0, p1, p2)
        if READ == 2:
            i, o = sigmoid(z0), sigmoid(z1)
            d0, d1 = d0 + dy0 * i * (1.0 - i), d1 + dy1 * o * (1.0 - o)
        dc = tl.where(mask, dc, 0.0)
        d0, d1 = tl.where(mask, d0, 0.0), tl.where(mask, d1, 0.0)
        d2, d3 = tl.where(mask, d2, 0.0), tl.where(mask, d3, 0.0)
        tl.store(z + here, d0, mask=mask)
        if G > 1:
            tl.store(z + here + H, d1, mask=mask)
        if G > 2:
            tl.store(z + here + 2 * H, d2, mask=mask)
        if G > 3:
            tl.store(z + here + 3 * H, d3, mask=mask)
        dh = tl.zeros_like(dh)
        dy0, dy1 = dh, dh
        if OF_H > 0 and not CUT:
            dh = _back(d0, d1, d2, d3, matrix, K, units, H, OF_H)
            if READ == 2:
                dy0 = _back(d0, d1, d2, d3, matrix + H, K, units, H, OF_H)
                dy1 = _back(d0, d1, d2, d3, matrix + 2 * H, K, units, H, OF_H)
    tl.store(d_h + run * B * H + state, dh, mask=mask)
    tl.store(d_c + run * B * H + state, dc, mask=mask)
    if READ == 2:
        tl.store(d_y + of_y0, dy0, mask=mask)
        tl.store(d_y + of_y1, dy1, mask=mask)
