"""Every transform of torch.func, and forward-mode differentiation, runs over engine=auto."""

import pytest
import torch
from torch.autograd import forward_ad
from torch.func import functional_call, grad, jacrev, jvp, vmap

from longlag.cells import LSTMCell, MinLSTMCell
from longlag.engine import Auto, Eager, Native, Scan
from longlag.model import SequenceModel


def gradients_of_each_sequence(model, x):
    weights = dict(model.named_parameters())
    return vmap(grad(lambda weights, x: functional_call(model, weights, (x,)).sum()), (None, 0))(weights, x[:, None])


def jacobian(model, x):
    return jacrev(lambda x: model(x).sum(0))(x)


def tangent(model, x):
    return jvp(model, (x,), (torch.ones_like(x),))[1]


def dual(model, x):
    with forward_ad.dual_level():
        return forward_ad.unpack_dual(model(forward_ad.make_dual(x, torch.ones_like(x)))).tangent


@pytest.mark.filterwarnings("ignore:.torch.jit.script. is deprecated")
@pytest.mark.parametrize("transform", [gradients_of_each_sequence, jacobian, tangent, dual])
@pytest.mark.parametrize(("kind", "engine"), [(LSTMCell, "auto"), (MinLSTMCell, "auto"), (MinLSTMCell, "scan")])
def test_a_transform_gives_the_numbers_of_the_eager_loop(transform, kind, engine):
    torch.manual_seed(0)
    model, x = SequenceModel(kind(2, 4), 1, engine=engine), torch.randn(3, 6, 2)
    results = [transform(model, x)]
    model.engines = [Eager()]
    results.append(transform(model, x))
    torch.testing.assert_close(*results)


@pytest.mark.filterwarnings("ignore:.torch.jit.script. is deprecated")
def test_the_scan_has_a_tangent_backwards_too():
    from longlag.engine.scan import linear_recurrence

    torch.manual_seed(0)
    links, b, d_links, d_b = (torch.randn(n, 2, 3, dtype=torch.float64) for n in (4, 5, 4, 5))
    for backwards in (False, True):
        _, measured = jvp(lambda a, b, way=backwards: linear_recurrence(a, b, way), (links, b), (d_links, d_b))
        step = 1e-6
        later, before = (
            linear_recurrence(links + sign * step * d_links, b + sign * step * d_b, backwards) for sign in (1, -1)
        )
        torch.testing.assert_close(measured, (later - before) / (2 * step), rtol=1e-6, atol=1e-8)


def test_native_alone_says_which_engine_can():
    cell, x = LSTMCell(2, 4), torch.randn(3, 6, 2)
    with pytest.raises(ValueError, match=r"engine=native does not run inside transforms of torch.func \(engine=eager"):
        vmap(lambda x: Native().unroll(cell, x[None])[0])(x)


@pytest.mark.filterwarnings("ignore:.torch.jit.script. is deprecated")
def test_auto_is_fast_again_afterwards():
    cell, x, auto = LSTMCell(2, 4), torch.randn(3, 6, 2), Auto()
    jvp(lambda x: auto.unroll(cell, x)[0], (x,), (x,))
    assert auto.used.name == "eager"
    auto.unroll(cell, x)
    assert auto.used.name == "native"
    assert Scan().fits(MinLSTMCell(2, 4))
