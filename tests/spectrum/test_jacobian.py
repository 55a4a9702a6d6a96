"""Jacobians of cells: against plain differentiation, and cells of which they can be written down."""

import math

import numpy as np
import pytest
import torch
from by_hand import logistic
from exact_products import log_singular_values as exact

from longlag import build_cell, compose
from longlag.cells import Cell, LSTMCell, RNNCell, UnitaryRNNCell
from longlag.model import SequenceModel
from longlag.settings.compose import conf_dir
from longlag.spectrum.jacobian import NoJacobianError, spectrum, step_jacobians, taped

#: What the next step reads, for cells of 4 units; and what no gradient leaves.
STATES = {
    "gru": ({"h": 4}, ()),
    "irnn": ({"h": 4}, ()),
    "lru": ({"c": 8}, ("h",)),  # four complex numbers
    "lstm": ({"h": 4, "c": 4}, ()),
    "lstm_1997": ({"c[0]": 4}, ("h", "c[1]")),  # the gates of the step before are read, and cut off
    "lstm_coupled": ({"h": 4, "c": 4}, ()),
    "lstm_forget_2000": ({"c": 4}, ("h",)),
    "lstm_peephole": ({"h": 4, "c": 4}, ()),
    "lstm_refine": ({"h": 4, "c": 4}, ()),
    "min_gru": ({"h": 4}, ()),
    "min_lstm": ({"h": 4}, ()),
    "mlstm": ({"c[0]": 4, "c[1]": 4, "c[2]": 4}, ("h",)),  # four heads of one unit
    "rnn": ({"h": 4}, ()),
    "slstm": ({"h": 4, "c[0]": 4, "c[1]": 4, "c[2]": 4}, ()),
    "unitary_rnn": ({"c": 4}, ("h",)),  # two complex numbers
}
CELLS = sorted(path.stem for path in (conf_dir() / "cell").glob("*.yaml"))


def noise(B, L, n=2, seed=1):
    return torch.randn(B, L, n, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def jacobians(cells, x, lengths=None, **options):
    """The Jacobians of each layer of a model of such cells."""
    lengths = torch.full((len(x),), x.shape[1]) if lengths is None else lengths
    model = SequenceModel(cells, 1, **options)
    return [step_jacobians(tape, lengths) for tape in taped(model, x, lengths)]


def cell_named(name, **settings):
    torch.manual_seed(0)
    return build_cell(compose(f"cell={name}", "cell.hidden_size=4"), 2, **settings)


def parts_of(state):
    """The tensors of a state by their names, one that is there twice once, complex ones as pairs of real ones."""
    h, c = state
    named = {"h": h}
    nested = c if isinstance(c, tuple) else (c,)
    for k, part in enumerate(nested):
        if part is not h:
            named["c" if not isinstance(c, tuple) else f"c[{k}]"] = part
    return named


def vector(part):
    return torch.view_as_real(part).flatten() if part.is_complex() else part.flatten()


def by_plain_differentiation(cell, x, names):
    """∂s_{t+1}/∂s_t of one sequence x [L, I], with torch's own jacobian of a function of one vector."""
    state = cell.initial_state(1, dtype=torch.float64)
    state = cell(x[:1], state)
    found = []
    for t in range(1, len(x)):
        named = parts_of(state)

        def after(s, named=named, state=state, x_t=x[t : t + 1]):
            given = dict(named)
            for name in names:
                part = named[name]
                size = vector(part).numel()
                own, s = s[:size], s[size:]
                given[name] = (
                    torch.view_as_complex(own.view(*part.shape, 2)) if part.is_complex() else own.view_as(part)
                )
            nested = isinstance(state[1], tuple)
            c = tuple(given[f"c[{k}]"] for k in range(len(state[1]))) if nested else given.get("c", given["h"])
            reached = parts_of(cell(x_t, (given["h"], c)))
            return torch.cat([vector(reached[name]) for name in names])

        start = torch.cat([vector(named[name]) for name in names]).detach()
        found.append(torch.autograd.functional.jacobian(after, start).numpy())
        state = cell(x[t : t + 1], state)
    return np.stack(found)


def test_every_cell_is_here():
    assert sorted([*STATES, "causal_attention"]) == CELLS


@pytest.mark.parametrize("name", STATES)
def test_every_cell_against_plain_differentiation(name):
    cell = cell_named(name).double()
    x = noise(3, 6)
    (found,) = jacobians(cell, x)
    assert (found.state, found.left_out) == STATES[name]
    assert found.truncated == (name in ("lstm_1997", "lstm_forget_2000"))
    wanted = np.stack([by_plain_differentiation(cell, row, list(found.state)) for row in x])
    # The same operations in another order
    assert found.values == pytest.approx(wanted, rel=1e-11, abs=1e-14)
    assert found.steps.tolist() == [5, 5, 5]
    stretched = spectrum(found)
    assert stretched.ks == (1, 2, 4, 5)
    assert stretched.log10_singular_values.shape == (3, 4, sum(found.state.values()))
    assert not np.isnan(stretched.log10_singular_values).any()


def test_a_truncated_cell_has_the_jacobian_of_the_published_gradient():
    whole = cell_named("lstm_forget_2000", truncate_gates=False)
    cut = cell_named("lstm_forget_2000")
    cut.load_state_dict(whole.state_dict())
    x = noise(2, 5)
    (published,), (full,) = jacobians(cut, x), jacobians(whole, x)
    assert full.state == {"h": 4, "c": 4}
    assert not full.truncated
    # What is left of it is the forget gates alone, on the diagonal
    off = published.values * (1 - np.eye(4))
    assert np.abs(off).max() == 0
    assert np.abs(full.values[:, :, 4:, :4]).max() > 1e-4


class Linear(Cell):
    """h' = A h + B x."""

    def __init__(self, A):
        super().__init__(2, len(A))
        self.A = torch.nn.Parameter(torch.as_tensor(A))
        self.B = torch.nn.Linear(2, len(A))

    def forward(self, x, state):
        h = state[0] @ self.A.T + self.B(x)
        return h, h


def test_a_linear_cell_has_the_powers_of_its_matrix():
    A = 1e-7 * np.random.default_rng(0).standard_normal((4, 4))
    (found,) = jacobians(Linear(A), noise(2, 65))
    assert np.array_equal(found.values, np.broadcast_to(A, (2, 64, 4, 4)))
    stretched = spectrum(found)
    assert stretched.ks == (1, 2, 4, 8, 16, 32, 64)
    for b in range(2):
        for k in (1, 8, 64):
            wanted = exact([A] * k) / math.log(10)
            # ε n κ(A) a step
            assert stretched.at(k)[b] == pytest.approx(wanted, abs=k * 4 * 2.2e-16 * np.linalg.cond(A))
    assert stretched.at(64).min() < -400
    eigenvalues = np.log(np.abs(np.linalg.eigvals(A))).sum()
    assert stretched.exponents.sum(axis=1) == pytest.approx(eigenvalues, abs=1e-11)


def test_a_unitary_cell_stretches_nothing():
    torch.manual_seed(0)
    stretched = spectrum(jacobians(UnitaryRNNCell(2, 6), noise(3, 40))[0])
    # modReLU with b = 0 is the identity; 39 steps of rounding
    assert np.abs(stretched.log10_singular_values).max() < 1e-13
    assert np.abs(stretched.exponents).max() < 1e-14


@pytest.mark.parametrize("bias", [-40.0, -1.0, 0.0, 3.0])
def test_an_lstm_with_fixed_gates_keeps_the_product_of_its_forget_gates(bias):
    """Without weights ∂c'/∂c = σ(b), ∂h'/∂c = σ(o) (1 − tanh² c') σ(b), and nothing comes from h."""
    H, L, biases = 3, 33, (0.4, bias, 0.7, -0.2)  # of i, f, g, o
    cell = LSTMCell(2, H, forget_bias=bias)
    torch.nn.init.zeros_(cell.W.weight)
    with torch.no_grad():
        cell.W.bias.copy_(torch.tensor(biases).repeat_interleave(H))
    i, f, _, o = (logistic(torch.tensor(b).item()) for b in biases)
    (found,) = jacobians(cell, noise(2, L))
    assert np.array_equal(found.values[..., :H], np.zeros((2, L - 1, 2 * H, H)))
    product = np.eye(2 * H)
    for k in range(1, L):
        product = found.values[0, k - 1] @ product
        # A rounding of σ(b) itself in each factor
        assert product[H:, H:] == pytest.approx(f**k * np.eye(H), rel=k * 5e-16)
    c = 0.0
    for _ in range(L):
        c = f * c + i * math.tanh(torch.tensor(biases[2]).item())
    stretched = spectrum(found)
    wanted = 32 * math.log10(f) + math.log10(1 + (o * (1 - math.tanh(c) ** 2)) ** 2) / 2
    assert stretched.at(32)[:, :H] == pytest.approx(wanted, rel=1e-13, abs=1e-13)
    assert (stretched.log10_singular_values[..., H:] == -math.inf).all()  # that of h
    assert (stretched.exponents[:, H:] == -math.inf).all()
    # ∂h'/∂c makes a vector longer once, and not at every step
    assert stretched.exponents[:, :H] == pytest.approx(math.log(f), abs=math.log(math.sqrt(2)) / 32)


def test_an_rnn_against_a_product_of_many_digits():
    torch.manual_seed(0)
    cell = RNNCell(2, 5)
    with torch.no_grad():
        cell.W.weight.mul_(0.02)
    x = noise(1, 101)
    W = cell.W.weight.detach().double().numpy()
    b = cell.W.bias.detach().double().numpy()
    h, factors = np.zeros(5), []
    for x_t in x[0].numpy():
        h = np.tanh(W @ np.concatenate([h, x_t]) + b)
        factors.append((1 - h**2)[:, None] * W[:, :5])
    stretched = spectrum(jacobians(cell, x)[0])
    assert stretched.ks[-1] == 100
    assert stretched.at(100).min() < -250
    condition = max(map(np.linalg.cond, factors))
    for k in (1, 16, 100):
        wanted = exact(factors[1 : k + 1]) / math.log(10)
        assert stretched.at(k)[0] == pytest.approx(wanted, abs=k * 5 * 2.2e-16 * condition)
    volume = np.mean([np.linalg.slogdet(J)[1] for J in factors[1:]])
    assert stretched.exponents[0].sum() == pytest.approx(volume, abs=1e-12)


@pytest.mark.parametrize("residual", [False, True])
def test_a_layer_of_a_stack_has_the_inputs_that_the_one_below_gives_it(residual):
    torch.manual_seed(0)
    cells = [LSTMCell(2, 4), RNNCell(4, 4), RNNCell(4, 4)]
    x = noise(2, 6)
    found = jacobians(cells, x, residual=residual)
    read, state = [], cells[0].double().initial_state(2, dtype=torch.float64)
    for x_t in x.unbind(1):
        state = cells[0](x_t, state)
        read.append(state[0])
    for cell, of_layer in zip(cells[1:], found[1:], strict=True):
        (alone,) = jacobians(cell, torch.stack(read, dim=1))
        assert np.array_equal(of_layer.values, alone.values)
        h, given = torch.zeros(2, 4, dtype=torch.float64), []
        for below in read:
            h, _ = cell.double()(below, (h, h))
            given.append(h + below if residual else h)
        read = given


def test_sequences_of_different_lengths_use_their_own_steps():
    torch.manual_seed(0)
    cell = LSTMCell(2, 3)
    x = noise(3, 9)
    x[1, 4:], x[2, 1:] = math.nan, math.nan  # what is behind the end must not matter, whatever it is
    (found,) = jacobians(cell, x, torch.tensor([9, 4, 1]))
    assert found.steps.tolist() == [8, 3, 0]
    stretched = spectrum(found)
    assert stretched.ks == (1, 2, 4, 8)
    assert stretched.steps.tolist() == [8, 3]  # one step alone has no Jacobian
    assert [len(stretched.at(k)) for k in stretched.ks] == [2, 2, 1, 1]
    short = spectrum(jacobians(cell, x[1:2, :4])[0])
    assert stretched.log10_singular_values[1, :2] == pytest.approx(short.log10_singular_values[0, :2], abs=1e-12)
    assert np.isnan(stretched.log10_singular_values[1, 2:]).all()
    assert stretched.exponents[1] == pytest.approx(short.exponents[0], abs=1e-12)


class Counting(torch.nn.Module):
    """No subclass of ours: h' = tanh(h + x), beside a whole number that counts and a memory that nothing reads."""

    hidden_size = 2

    def initial_state(self, batch_size, device=None, dtype=None):
        zeros = torch.zeros(batch_size, 2, device=device, dtype=dtype)
        return zeros, (torch.zeros(batch_size, 1, dtype=torch.long), zeros)

    def forward(self, x, state):
        h = torch.tanh(state[0] + x / (1 + state[1][0]))
        return h, (state[1][0] + 1, 2 * h)


def test_whole_numbers_and_what_is_not_read_are_no_part_of_the_state():
    x = noise(2, 4)
    (found,) = jacobians(Counting(), x)
    assert found.state == {"h": 2}
    assert found.left_out == ("c[0]", "c[1]")
    h = torch.tanh(x[:, 0])
    for t in range(1, 4):
        h = torch.tanh(h + x[:, t] / (1 + t))
        assert found.values[:, t - 1] == pytest.approx(torch.diag_embed(1 - h**2).numpy(), rel=1e-14)


class Forgetful(Cell):
    """No step reads anything of the one before."""

    def __init__(self):
        super().__init__(2, 2)
        self.W = torch.nn.Linear(2, 2)

    def forward(self, x, state):
        h = self.W(x)
        return h, h


@pytest.mark.parametrize(
    ("cell", "length", "message"),
    [
        (lambda: cell_named("causal_attention"), 4, "the state of CausalAttentionCell grows from step to step"),
        (Forgetful, 4, "no step of Forgetful reads the state before it"),
        (lambda: RNNCell(2, 3), 1, "the sequences have one step each"),
        (lambda: Linear(np.full((2, 2), math.inf)), 4, "the Jacobian of Linear is not finite from step 1 on"),
        (lambda: RNNCell(2, 3000), 40, "39 Jacobians of 3,000 × 3,000 numbers for each of 2 sequences are 5.2 GiB"),
    ],
)
def test_what_has_no_jacobian_is_refused(cell, length, message):
    with pytest.raises(NoJacobianError, match=message):
        jacobians(cell(), noise(2, length))


def test_a_model_is_left_as_it_was():
    torch.manual_seed(0)
    model = SequenceModel(LSTMCell(2, 3), 1, engine="torch")
    before = {name: value.clone() for name, value in model.state_dict().items()}
    lengths = torch.tensor([5, 5])
    step_jacobians(taped(model, noise(2, 5), lengths)[0], lengths)
    assert all(torch.equal(value, before[name]) for name, value in model.state_dict().items())
    assert all(p.grad is None and p.requires_grad for p in model.parameters())
    assert model(noise(2, 5).float()).dtype == torch.float32
