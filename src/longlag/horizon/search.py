"""The search over lags: doubling until a lag is beyond the horizon, then bisection on a geometric grid."""

from collections.abc import Mapping
from dataclasses import dataclass

from longlag.horizon.rule import Verdict


@dataclass(frozen=True)
class LagGrid:
    """The lags that a search may try: ``start`` · 2^(k / ``per_doubling``), rounded, from ``least`` to ``most``.

    Args:
        start: the first lag.
        per_doubling: the number of grid steps from a lag to its double; the ratio of two neighbours is
            2^(1 / ``per_doubling``).
        least: the smallest lag.
        most: the largest lag.

    Raises:
        ValueError: the numbers are not in order.

    """

    start: int
    per_doubling: int = 4
    least: int = 1
    most: int = 100_000

    def __post_init__(self) -> None:
        if not 1 <= self.least <= self.start <= self.most:
            raise ValueError(f"start must be from {self.least} to most={self.most}, got {self.start!r}")
        if self.per_doubling < 1:
            raise ValueError(f"per_doubling must be a positive integer, got {self.per_doubling!r}")

    def lag(self, k: int) -> int:
        """Return the lag at a place of the grid; ``start`` has the place 0."""
        return round(self.start * 2 ** (k / self.per_doubling))

    def up(self, k: int) -> int:
        """Return the place of the double, or the last one below it that is still in the grid."""
        return next((up for up in range(k + self.per_doubling, k, -1) if self.lag(up) <= self.most), k)

    def down(self, k: int) -> int:
        """Return the place of the half, or the first one above it that is still in the grid."""
        return next((down for down in range(k - self.per_doubling, k) if self.lag(down) >= self.least), k)


@dataclass(frozen=True)
class Step:
    """What a search knows, and what it does next.

    Args:
        within: the longest lag that is known to be within the horizon; ``None`` if there is none.
        beyond: the shortest lag that is known to be beyond it; ``None`` if there is none.
        next_lag: the lag to test; ``None`` if the search has ended.

    """

    within: int | None
    beyond: int | None
    next_lag: int | None


def next_step(grid: LagGrid, verdicts: Mapping[int, Verdict]) -> Step:
    """Return the next step of a search, a function of the verdicts so far: a search that was cut goes on by them.

    From ``start`` the lag is doubled while it is within the horizon, or halved while it is beyond. Between the longest
    lag within and the shortest beyond, bisection goes on to neighbours in the grid. The search relies on one thing:
    that a lag is not easier than a shorter one.

    Args:
        grid: the lags.
        verdicts: by lag.

    """
    low: int | None = None
    high: int | None = None
    place = 0
    while low is None or high is None:  # doubling or halving
        verdict = verdicts.get(grid.lag(place))
        if verdict is None:
            return _step(grid, low, high, place)
        low, high = (place, high) if verdict == "within" else (low, place)
        onward = grid.up(place) if high is None else grid.down(place) if low is None else place
        if onward == place and (low is None or high is None):  # the end of the grid
            return _step(grid, low, high, None)
        place = onward
    while high - low > 1:
        middle = (low + high) // 2
        verdict = verdicts.get(grid.lag(middle))
        if verdict is None:
            return _step(grid, low, high, middle)
        low, high = (middle, high) if verdict == "within" else (low, middle)
    return _step(grid, low, high, None)


def _step(grid: LagGrid, low: int | None, high: int | None, place: int | None) -> Step:
    within, beyond, lag = (None if k is None else grid.lag(k) for k in (low, high, place))
    return Step(within, beyond, lag)
