"""A nested state is walked in one order, and comes back in its own nesting."""

import pytest
import torch

from longlag.cells import LSTM1997Cell, LSTMCell, MLSTMCell
from longlag.cells.state import leaves, like, map_leaves, named_leaves, replaced

h, a, b, c = (torch.full((2,), float(k)) for k in range(4))
NESTED = (h, (a, (b, c)))


def test_leaves_come_in_the_order_of_the_state():
    assert [leaf[0].item() for leaf in leaves(NESTED)] == [0, 1, 2, 3]
    assert leaves(h) == [h]


def test_the_names_tell_where_a_leaf_lies():
    assert [name for name, _ in named_leaves(NESTED)] == ["h", "c[0]", "c[1][0]", "c[1][1]"]


@pytest.mark.parametrize(
    ("cell", "names"),
    [
        (LSTMCell(2, 4), ["h", "c"]),
        (MLSTMCell(2, 4), ["h", "c[0]", "c[1]", "c[2]"]),
        (LSTM1997Cell(2, 4), ["h", "c[0]", "c[1]"]),
    ],
)
def test_the_names_of_the_states_of_cells(cell, names):
    assert [name for name, _ in named_leaves(cell.initial_state(3))] == names


def test_a_change_keeps_the_nesting():
    doubled = map_leaves(lambda leaf: 2 * leaf, NESTED)
    assert type(doubled[1][1]) is tuple
    assert [leaf[0].item() for leaf in leaves(doubled)] == [0, 2, 4, 6]
    summed = map_leaves(lambda one, other: one + other, NESTED, doubled)
    assert [leaf[0].item() for leaf in leaves(summed)] == [0, 3, 6, 9]


def test_states_of_different_nesting_are_refused():
    with pytest.raises(ValueError, match="zip"):
        map_leaves(lambda one, other: one, NESTED, (h, (a, (b,))))


def test_other_leaves_in_the_same_nesting():
    made = like(NESTED, [c, b, a, h])
    assert made[0] is c
    assert made[1][1][1] is h


def test_a_leaf_is_replaced_wherever_it_stands():
    twice = (h, (h, a))
    got = replaced(twice, {id(h): b})
    assert got[0] is got[1][0] is b
    assert got[1][1] is a
