import os
from dataclasses import replace

import pytest

from longlag.jobs.messages import (
    Died,
    Ended,
    Moved,
    Order,
    OrderedJob,
    Over,
    Printed,
    Raised,
    Ready,
    Refused,
    Said,
    event_from_line,
    event_line,
    order_from_line,
    order_line,
    send,
)

EVENTS = [
    Ready(), Moved(3, -1, None), Moved(3, 10, 0.5), Said("a line"), Printed("a π"), Ended("solved"), Refused("no"),
    Raised("Traceback:\n  two lines"), Died("killed"), Over(), Moved(3, 10, 0.5, member=7), Ended("done", member=7),
]  # fmt: skip


@pytest.mark.parametrize("event", EVENTS, ids=lambda event: type(event).__name__)
def test_an_event_is_one_line_and_comes_back_as_it_was(event):
    assert "\n" not in event_line(event)
    assert event_from_line(event_line(event)) == event


def test_an_order_is_one_line_and_comes_back_as_it_was():
    one = OrderedJob({"cell": {"hidden_size": 3, "forget_bias": None}}, "/a folder", True, "[1/2] ")
    order = Order([one, replace(one, place="[2/2] ")], 2, {"A": "b\nc"}, at_once=2, fail_fast=True)
    assert "\n" not in order_line(order)
    assert order_from_line(order_line(order)) == order


def test_a_long_event_goes_through_a_pipe_whole():
    reading, writing = os.pipe()
    send(writing, Said("x" * 60_000))
    os.close(writing)
    with os.fdopen(reading) as pipe:
        (line,) = pipe.read().splitlines()
    assert event_from_line(line) == Said("x" * 60_000)
