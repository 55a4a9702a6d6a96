"""The memory horizon: the longest lag that most seeds solve within a budget; the rule, the search, the interval."""

from longlag.horizon.interval import CREDIBILITY, credible_interval
from longlag.horizon.result import Horizon, Tested
from longlag.horizon.rule import ERROR, Rule, Verdict
from longlag.horizon.search import LagGrid, Step, next_step

__all__ = [
    "CREDIBILITY",
    "ERROR",
    "Horizon",
    "LagGrid",
    "Rule",
    "Step",
    "Tested",
    "Verdict",
    "credible_interval",
    "next_step",
]
