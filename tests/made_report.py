"""A report of the benchmark that nobody measured."""

import math
from dataclasses import replace

from longlag.benchmark.measure import Entry, Measured, Timed
from longlag.benchmark.results import Report, left_out, rows_of
from longlag.benchmark.workload import Size

SIZE = Size("lstm", H=16, B=32, T=100, R=2, I=2)
MACHINE = {"cpu": "a processor", "cores": 2, "gpu": None, "threads": 1, "native": "avx2", "torch": "2"}


def measured():
    timed = [Timed(40.0, 9.0, 1.0), Timed(20.0, 8.0, 0.5), Timed(25.0, 4.0, 0.9)]
    return [
        Measured(
            SIZE,
            4,
            [
                Entry("native", 1e-7, 0.5, rounds=timed),
                Entry("wrong", math.nan, 0.1, "wrong", "its gradient is off by nan: not timed"),
                Entry("not yet", 1e-7, 0.1),
            ],
            {"scan": "others"},
        ),
        Measured(
            replace(SIZE, cell="min_gru"), None, [Entry("eager", 2e-7, 0.1, rounds=timed[:1])], {"scan": "others"}
        ),
    ]


def report(**changes):
    rows = rows_of(measured(), 100e9)
    made = Report(MACHINE, {"rounds": 3}, 100.0, "torch.mm 512 × 512", rows, left_out(measured()), ["a note"])
    return replace(made, **changes)
