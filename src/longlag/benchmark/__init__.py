"""How fast is each way to run a cell over time, on this machine: all in one process, in turn, on the same numbers.

- :mod:`~longlag.benchmark.given`: a size, the cells and the sequences of it, and their gradient in float64.
- :mod:`~longlag.benchmark.contenders`: the ways to run a cell, one small class each.
- :mod:`~longlag.benchmark.race`: the contenders at one size, checked first and then timed in turn.
- :mod:`~longlag.benchmark.bench`: all sizes, one after the other, and how long that will take.
- :mod:`~longlag.benchmark.floor`: the time below which the machine cannot go.
- :mod:`~longlag.benchmark.figures`: what was measured, as rows; and ``table``, ``markdown``, ``picture``, ``machine``.
"""
