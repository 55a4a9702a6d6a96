"""Measure how fast each way to run a cell over time is on this machine: in one process, in turn, on the same numbers.

- :mod:`~longlag.benchmark.workload`: a size, its cells and sequences, and their gradient in float64.
- :mod:`~longlag.benchmark.contenders`: the ways to run a cell, one small class each.
- :mod:`~longlag.benchmark.measure`: check the contenders at one size, then time them in turn.
- :mod:`~longlag.benchmark.bench`: measure all sizes one after the other, and forecast how long that takes.
- :mod:`~longlag.benchmark.roofline`: the least time that the machine needs.
- :mod:`~longlag.benchmark.results`: the figures as rows; ``table``, ``picture`` and ``machine`` present them.
"""
