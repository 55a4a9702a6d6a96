"""The native engine as an operation among others: what PyTorch expects of it, it does, or says that it does not."""

import copy
import gc
import pickle
import threading

import pytest
import torch
from native_cells import busy, given, parts

from longlag.cells import LSTMCell, MinGRUCell
from longlag.engine import Native, engine_for
from longlag.engine.native import buffers
from longlag.engine.native.buffers import Loan
from longlag.model import SequenceModel


def made(seed, T=50):
    """A cell and its inputs."""
    cell = busy("lstm_peephole", 3, 9, seed)
    return cell, given(cell, 37, T, seed=seed).x.float().requires_grad_()


def unrolled(seed):
    """A cell's outputs, and what they are made from."""
    cell, x = made(seed)
    return Native().unroll(cell, x)[0], [x, *cell.parameters()]


def back(hidden, leaves, **how):
    return torch.autograd.grad(hidden.square().sum(), leaves, **how)


def assert_same_bits(got, wanted):
    assert all(torch.equal(*pair) for pair in zip(got, wanted, strict=True))


def test_a_way_back_that_is_kept_can_be_gone_twice():
    hidden, leaves = unrolled(0)
    once = back(hidden, leaves, retain_graph=True)
    others = [back(*unrolled(seed)) for seed in range(1, 7)]  # of the same shape, which would use its memory
    assert_same_bits(back(hidden, leaves, retain_graph=True), once)
    assert_same_bits(back(hidden, leaves), once)
    assert_same_bits(back(*unrolled(1)), others[0])


@pytest.mark.parametrize("order", [(0, 1, 2), (2, 1, 0), (1, 2, 0)])
def test_ways_back_can_be_gone_in_any_order(order):
    wanted = [back(*unrolled(seed)) for seed in range(3)]
    there = [unrolled(seed) for seed in range(3)]
    for seed in order:
        assert_same_bits(back(*there[seed]), wanted[seed])


def test_memory_is_used_again_as_soon_as_nobody_can_go_back():
    """At once, and not when Python next looks for what holds itself."""
    buffers._free.clear()
    for way_back in (lambda hidden, leaves: None, back):
        for _ in range(3):
            graphs = [unrolled(seed) for seed in range(3)]
            lent = {graph[0].grad_fn.loan.tensor.data_ptr() for graph in graphs}
            assert len(lent) == 3
            for graph in graphs:
                way_back(*graph)
            del graph, graphs
            assert {tensor.data_ptr() for tensor in buffers._free} == lent


def test_the_memory_of_large_states_is_used_again_when_nobody_holds_them(monkeypatch):
    buffers._free.clear()
    wanted = [back(*unrolled(seed)) for seed in range(2)]
    monkeypatch.setattr(buffers, "_LARGE", 0)
    kept, leaves = unrolled(0)
    address, before = kept.untyped_storage().data_ptr(), kept.detach().clone()
    for seed in range(2):
        hidden, others = unrolled(seed)
        assert hidden.untyped_storage().data_ptr() != address
        assert_same_bits(back(hidden, others), wanted[seed])
    assert torch.equal(kept, before)
    assert_same_bits(back(kept, leaves), wanted[0])
    view = kept.detach()[:1]
    del kept, leaves
    assert address not in {tensor.data_ptr() for tensor in buffers._free}
    del view
    assert address in {tensor.data_ptr() for tensor in buffers._free}
    assert unrolled(0)[0].untyped_storage().data_ptr() in {address, hidden.untyped_storage().data_ptr()}


def test_no_more_than_a_few_arrays_wait_to_be_used_again():
    loans = [Loan(10, torch.float64) for _ in range(buffers._KEPT + 5)]
    del loans
    assert len(buffers._free) == buffers._KEPT


def test_memory_that_is_lent_fits():
    buffers._free.clear()
    first = Loan(100, torch.float32)
    address = first.tensor.data_ptr()
    del first
    for count, dtype in ((101, torch.float32), (100, torch.float64), (49, torch.float32)):
        assert Loan(count, dtype).tensor.data_ptr() != address
        buffers._free[:] = [tensor for tensor in buffers._free if tensor.data_ptr() == address]
        assert len(buffers._free) == 1
    assert Loan(50, torch.float32).tensor.data_ptr() == address


def test_memory_that_is_not_there_is_not_given_back(monkeypatch):
    buffers._free.clear()
    ignored = []
    monkeypatch.setattr("sys.unraisablehook", ignored.append)
    with pytest.raises(RuntimeError, match="can't allocate memory"):
        Loan(2**60, torch.float32)
    gc.collect()
    assert buffers._free == ignored == []


@pytest.mark.parametrize("each", [1, 2])
def test_threads_do_not_get_in_each_others_way(each):
    """Each goes forward and back, with shapes of its own, while the others do; by one thread, or two for each."""
    wrong, before = [], torch.get_num_threads()

    def work(cell, x, wanted):
        torch.set_num_threads(each)
        for _ in range(30):
            got = back(Native().unroll(cell, x)[0], [x, *cell.parameters()])
            wrong.extend(1 for pair in zip(got, wanted, strict=True) if not torch.equal(*pair))

    there = [made(seed, T=20 + 3 * seed) for seed in range(4)]
    wanted = [back(Native().unroll(cell, x)[0], [x, *cell.parameters()]) for cell, x in there]
    threads = [threading.Thread(target=work, args=(*one, grads)) for one, grads in zip(there, wanted, strict=True)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    torch.set_num_threads(before)
    assert wrong == []


@pytest.mark.parametrize("loss", [lambda hidden: hidden.sum(), lambda hidden: hidden.square().sum()])
def test_a_second_derivative_is_refused(loss):
    """Even where what comes back is a constant: PyTorch would take its gradient for one too, and leave it out."""
    hidden, leaves = unrolled(0)
    with pytest.raises(RuntimeError, match=r"^engine=native has no second derivative, .*; engine=eager has$"):
        torch.autograd.grad(loss(hidden), leaves, create_graph=True)


@pytest.mark.parametrize("recorded", [True, False])
def test_outputs_that_are_changed_in_place_do_not_go_back_wrongly(recorded):
    """As with PyTorch's own modules, the way back says what has happened."""
    hidden, leaves = unrolled(0)
    with torch.set_grad_enabled(recorded):
        hidden.mul_(2)
    with pytest.raises(RuntimeError, match="has been modified by an inplace operation"):
        back(hidden, leaves)


def test_without_a_gradient_outputs_may_be_changed_in_place():
    cell, x = made(0)
    with torch.no_grad():
        hidden, _ = Native().unroll(cell, x)
        doubled = hidden.clone() * 2
        assert torch.equal(hidden.mul_(2), doubled)


@pytest.mark.parametrize("which", ["inputs", "weights", "biases"])
def test_nor_do_they_if_what_they_are_made_from_is_changed(which):
    cell, x = made(0)
    hidden, leaves = Native().unroll(cell, x)[0], [x, *cell.parameters()]
    with torch.no_grad():
        {"inputs": x, "weights": cell.W.weight, "biases": cell.W.bias}[which].mul_(2)
    with pytest.raises(RuntimeError, match="has been modified by an inplace operation"):
        back(hidden, leaves)


def test_final_states_are_ones_own_to_change():
    cell = busy("lstm", 3, 9)
    on = given(cell, 37, 6)
    wanted = parts(cell, Native().unroll, on)

    def and_changed(cell, x, state):
        hidden, (h, c) = Native().unroll(cell, x, state)
        return hidden, (h.mul_(1), c.mul_(1))

    got = parts(cell, and_changed, on)
    assert_same_bits(got.values(), wanted.values())


@pytest.mark.parametrize("mode", [torch.no_grad, torch.inference_mode])
def test_without_a_way_back_the_values_are_the_same_and_no_memory_is_taken(mode):
    wanted, (x, *_) = unrolled(0)
    cell = busy("lstm_peephole", 3, 9, 0)
    buffers._free.clear()
    with mode():
        hidden, (h, c) = Native().unroll(cell, x)
        again, _ = Native().unroll(cell, x[:, 25:], Native().unroll(cell, x[:, :25])[1])
    assert buffers._free == []
    assert not hidden.requires_grad
    assert torch.equal(hidden, wanted)
    assert torch.equal(again, wanted[:, 25:]), "a split sequence gives what the whole one gives"
    assert torch.equal(hidden[:, -1], h)
    assert c.shape == h.shape


def test_what_is_saved_for_the_way_back_may_be_put_elsewhere():
    """As ``torch.autograd.graph.save_on_cpu`` does: the engine keeps what it points at."""
    wanted = back(*unrolled(0))
    with torch.autograd.graph.saved_tensors_hooks(torch.clone, lambda kept: kept):
        hidden, leaves = unrolled(0)
        loss = hidden.square().sum()
    del hidden
    others = [torch.full((51 * 64 * 16 * n,), 7.0) for n in range(1, 40)]  # would lie where nobody keeps it
    assert_same_bits(torch.autograd.grad(loss, leaves), wanted)
    del others


def test_a_part_that_is_run_again_for_the_way_back():
    cell = busy("lstm", 3, 9)
    on = given(cell, 37, 6)

    def recomputed(cell, x, state):
        return torch.utils.checkpoint.checkpoint(Native().unroll, cell, x, state, use_reentrant=False)

    assert_same_bits(parts(cell, recomputed, on).values(), parts(cell, Native().unroll, on).values())


@pytest.mark.parametrize(
    "copied", [copy.deepcopy, lambda model: pickle.loads(pickle.dumps(model))], ids=["copy", "pickle"]
)
@pytest.mark.parametrize("engine", ["native", "auto"])
def test_a_model_can_be_copied(engine, copied):
    model = SequenceModel([LSTMCell(2, 4), LSTMCell(4, 4)], 3, engine=engine)
    x = torch.randn(5, 6, 2)
    wanted = model(x)
    again = copied(model)
    assert torch.equal(again(x), wanted)
    again(x).sum().backward()
    assert all(p.grad is None for p in model.parameters())
    assert all(p.grad is not None for p in again.parameters())


def test_cells_that_it_has_not_are_refused():
    class Mine(LSTMCell):
        """A reader's own, which may compute something else."""

    for cell in (Mine(2, 3), MinGRUCell(2, 3)):
        name = type(cell).__name__
        with pytest.raises(
            ValueError,
            match=rf"^engine=native runs LSTMCell, PeepholeLSTMCell, .*; {name} is none of them \(engine=eager",
        ):
            engine_for("native", cell)


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16, torch.complex64, torch.int64])
def test_other_types_of_number_are_refused(dtype):
    named = str(dtype).removeprefix("torch.")
    with pytest.raises(ValueError, match=rf"^engine=native takes float32 and float64, not {named}$"):
        Native().unroll(LSTMCell(2, 3), torch.zeros(4, 5, 2, dtype=dtype))


def test_another_device_is_refused():
    with pytest.raises(ValueError, match=r"^engine=native runs on the CPU, not on meta$"):
        Native().unroll(LSTMCell(2, 3), torch.zeros(4, 5, 2, device="meta"))
