"""The linear recurrent unit."""

import math

import torch
from torch import Tensor, nn
from torch.nn.functional import gelu, linear

from longlag.cells.cell import State
from longlag.cells.linear import LinearCell
from longlag.checks import check_number, check_positive, check_switch


class LRUCell(LinearCell):
    """The linear recurrent unit: a memory of damped rotations, each with a learned decay and frequency.

    ::

        Λ = exp(−exp(ν_log) + i exp(θ_log))  the N eigenvalues; |Λ| never exceeds 1
        m' = Λ ⊙ m + exp(γ_log) ⊙ (B x)      complex
        h' = Re(C m') + D x

    With a linear readout the whole model is a linear map of the inputs, which cannot compute an exclusive or. ``gelu``
    puts a nonlinearity on ``h``; the recurrence, which does not read ``h``, stays linear.

    State: ``h`` [B, H], and the memory ``c`` [B, N], complex; both zero at the start. The parameters are real.

    Source: Orvieto et al. 2023, "Resurrecting Recurrent Neural Networks for Long Sequences", section 3 and the
    listing in appendix A: the eigenvalues start uniformly spread over a ring, exp(γ_log) as sqrt(1 − |Λ|²), and B and C
    as complex normal numbers of variance 1/I and 2/N.

    Deviations: the paper's ``x`` and ``h`` have one size and its D is a vector; here D is a matrix [H, I], of variance
    1/I at the start, which gives D x the same size. Of the block around the unit only the GELU is here, with
    ``gelu``; the normalisation, the gated linear unit and the skip connection are not.

    Args:
        input_size: I.
        hidden_size: H.
        state_size: N, the number of complex memories; ``None`` means H.
        r_min: the smallest |Λ| at the start.
        r_max: the largest |Λ| at the start. The paper's listing starts on the whole disk, from 0 to 1, where half of
            the memories decay to a thousandth within 20 steps; the defaults here are a ring next to the unit circle,
            for long lags.
        max_phase: the largest rotation per step at the start, in radians; small rotations are slow memories.
        gelu: whether ``h`` passes through a GELU.

    Raises:
        ValueError: a size is not a positive integer, the ring is not 0 ≤ r_min < r_max ≤ 1, ``max_phase`` is not in
            (0, 2π], or ``gelu`` is neither true nor false.

    """

    def __init__(
        self,
        input_size: int,
        hidden_size: int,
        state_size: int | None = None,
        r_min: float = 0.9,
        r_max: float = 0.999,
        max_phase: float = 6.28,
        gelu: bool = False,
    ) -> None:
        super().__init__(input_size, hidden_size)
        if state_size is not None:
            check_positive("state_size", state_size)
        for name, value in (("r_min", r_min), ("r_max", r_max), ("max_phase", max_phase)):
            check_number(name, value)
        if not 0 <= r_min < r_max <= 1:
            raise ValueError(
                f"r_min and r_max must satisfy 0 <= r_min < r_max <= 1, got r_min={r_min!r} and r_max={r_max!r}"
            )
        if not 0 < max_phase <= math.tau:
            raise ValueError(f"max_phase must be greater than 0 and at most 2π, got {max_phase!r}")
        check_switch("gelu", gelu)
        I, H = input_size, hidden_size  # noqa: E741 -- the field's names
        self.state_size = N = H if state_size is None else state_size
        self.gelu = gelu

        # In float64, and away from 0, so that no logarithm below is infinite
        area, phase = torch.rand(2, N, dtype=torch.float64).clamp(min=2.0**-53)
        nu = -torch.log(r_min**2 + area * (r_max**2 - r_min**2)) / 2  # −log|Λ|; the area inside |Λ| grows as |Λ|²
        gamma = torch.sqrt(-torch.expm1(-2 * nu))  # sqrt(1 − |Λ|²): white noise leaves a memory with variance 1
        real = torch.get_default_dtype()
        self.nu_log = nn.Parameter(nu.log().to(real))
        self.theta_log = nn.Parameter((phase * max_phase).log().to(real))
        self.gamma_log = nn.Parameter(gamma.log().to(real))
        self.B_re, self.B_im = (nn.Parameter(torch.randn(N, I) / math.sqrt(2 * I)) for _ in range(2))
        self.C_re, self.C_im = (nn.Parameter(torch.randn(H, N) / math.sqrt(N)) for _ in range(2))
        self.D = nn.Parameter(torch.randn(H, I) / math.sqrt(I))

    def eigenvalues(self) -> Tensor:
        """Return Λ [N], complex."""
        return torch.polar(torch.exp(-torch.exp(self.nu_log)), torch.exp(self.theta_log))

    def recurrent_weights(self) -> dict[str, Tensor]:
        """Return diag(Λ) [N, N], complex, as ``memory``."""
        return {"memory": torch.diag(self.eigenvalues())}

    def affine(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """Return Λ [N] and exp(γ_log) ⊙ (B x) [..., N], both complex, for ``x`` [..., I]."""
        gamma = torch.exp(self.gamma_log)
        return self.eigenvalues(), torch.complex(gamma * linear(x, self.B_re), gamma * linear(x, self.B_im))

    def read(self, m: Tensor, x: Tensor) -> Tensor:
        """Return Re(C m) + D x [..., H], after the GELU if there is one, for ``m`` [..., N] and ``x`` [..., I]."""
        h = linear(m.real, self.C_re) - linear(m.imag, self.C_im) + linear(x, self.D)
        return gelu(h) if self.gelu else h

    def initial_state(
        self, batch_size: int, device: torch.device | None = None, dtype: torch.dtype | None = None
    ) -> State:
        """Return zeros: ``h`` [B, H] of the real type ``dtype``, and the memory [B, N] of its complex counterpart."""
        real = torch.get_default_dtype() if dtype is None else dtype
        h = torch.zeros(batch_size, self.hidden_size, device=device, dtype=real)
        return h, torch.zeros(batch_size, self.state_size, device=device, dtype=real.to_complex())
