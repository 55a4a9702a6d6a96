"""The recurrent cell of complex units whose recurrent matrix is unitary."""

import math

import torch
from torch import Tensor, nn

from longlag.cells.cell import Cell, State


class UnitaryRNNCell(Cell):
    """The cell whose recurrent matrix stays unitary during training, so that it neither shrinks nor stretches a state.

    ::

        W = D₃ R₂ F⁻¹ D₂ Π R₁ F D₁           F: discrete Fourier transform over √N
        D_j = diag(e^{iθ_j})                 phases θ_j [N]
        R_j z = z − 2 v_j (v_j* z) / ‖v_j‖²  reflection at v_j [N], complex
        (Π z)_k = z_π(k)                     π: a fixed permutation
        z' = modReLU(W z + V x)              V [N, I], complex
        modReLU(z) = max(0, |z| + b) z/|z|   b [N], real; 0 at z = 0, and no gradient there
        h' = [Re z', Im z']

    ∂z'/∂z is unitary where b = 0: an error then flows back through any number of steps with an unchanged norm. But
    the matrix rotates the error and the state: the cell has no carousel.

    State: ``c`` = z [B, N], complex, N = H/2, and ``h`` [B, H], the same in real numbers for the rest of the network.
    A step reads ``c`` and not ``h``, so ``c`` is a separate cell state, the memory. It starts at a learned value, the
    same for the whole batch.

    Source: Arjovsky, Shah & Bengio 2016, section 3 for W and section 4 for the rest and how it starts: θ uniform in
    [−π, π], v in [−1, 1], V after Glorot, b zero, π drawn once, the initial state uniform with an expected squared norm
    of 1.

    Deviations: the readout maps to the outputs, with its usual initial weights.

    Args:
        input_size: I.
        hidden_size: H, the real and imaginary parts of N = H/2 complex units; even.

    Raises:
        ValueError: a size is not a positive integer, or ``hidden_size`` is odd.

    """

    has_cell_state = True
    permutation: Tensor

    def __init__(self, input_size: int, hidden_size: int) -> None:
        super().__init__(input_size, hidden_size)
        if hidden_size % 2 != 0:
            raise ValueError(
                f"hidden_size must be even, with a real and an imaginary part for each unit; got {hidden_size}"
            )
        N = hidden_size // 2
        # Module.double() does not convert complex parameters, so these are real: pairs, or two halves [Re, Im].
        self.phases = nn.Parameter(torch.empty(3, N).uniform_(-math.pi, math.pi))
        self.reflections = nn.Parameter(torch.empty(2, N, 2).uniform_(-1, 1))
        self.V = nn.Linear(input_size, hidden_size, bias=False)
        nn.init.uniform_(self.V.weight, -math.sqrt(6 / (input_size + N)), math.sqrt(6 / (input_size + N)))
        self.b = nn.Parameter(torch.zeros(N))
        self.start = nn.Parameter(torch.empty(hidden_size).uniform_(-math.sqrt(1.5 / N), math.sqrt(1.5 / N)))
        self.register_buffer("permutation", torch.randperm(N))

    def forward(self, x: Tensor, state: State) -> State:
        """Map ``x`` [B, I] and ``(h, z)``, [B, H] and [B, N], to ``(h', z')``."""
        z = self._rotated(state[1])
        z = modrelu(z + _complex(self.V(x).to(self.b.dtype)), self.b)  # PyTorch has no complex bfloat16
        return torch.cat([z.real, z.imag], dim=-1), z

    def recurrent_weights(self) -> dict[str, Tensor]:
        """Return W [N, N], complex, as ``memory``."""
        eye = torch.eye(len(self.b), dtype=self.b.dtype, device=self.b.device)
        return {"memory": self._rotated(eye.to(eye.dtype.to_complex())).T}

    def initial_state(
        self, batch_size: int, device: torch.device | None = None, dtype: torch.dtype | None = None
    ) -> State:
        """Return the learned initial state, the same for the whole batch: [B, H] of ``dtype``, and complex [B, N]."""
        start = self.start.to(device=device, dtype=torch.get_default_dtype() if dtype is None else dtype)
        h = start.expand(batch_size, -1)
        return h, _complex(h)

    def _rotated(self, z: Tensor) -> Tensor:
        """Return W z for each z of the batch [B, N]."""
        if not len(z):  # the Fourier transform refuses an empty batch
            return z
        D_1, D_2, D_3 = torch.polar(torch.ones_like(self.phases), self.phases).unbind()
        v_1, v_2 = torch.view_as_complex(self.reflections).unbind()
        z = _reflected(torch.fft.fft(z * D_1, norm="ortho"), v_1)
        z = torch.fft.ifft(z[:, self.permutation] * D_2, norm="ortho")
        return _reflected(z, v_2) * D_3


def modrelu(z: Tensor, b: Tensor) -> Tensor:
    """Return numbers with the phases of ``z`` and the moduli |z| + ``b``; 0 where |z| + ``b`` is negative."""
    return torch.relu(z.abs() + b) * torch.sgn(z)  # sgn(z) = z/|z|; at 0 its value and its gradient are 0


def _reflected(z: Tensor, v: Tensor) -> Tensor:
    """Reflect the vectors ``z`` [B, N] at the plane normal to ``v`` [N]."""
    v = v / torch.linalg.vector_norm(v)
    return torch.addr(z, z @ v.conj(), v, alpha=-2)


def _complex(parts: Tensor) -> Tensor:
    """Return the complex numbers [..., N] whose real and imaginary parts are the two halves of ``parts`` [..., 2N]."""
    return torch.complex(*parts.chunk(2, dim=-1))
