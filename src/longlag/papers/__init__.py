"""Papers: their published rows, the trials of each row, and whether these give what was published.

Nothing here knows a paper by name. A paper is a table of rows, ``conf/papers/NAME.csv``, and an experiment for each.
"""

from longlag.papers.comparison import Comparison, compared
from longlag.papers.published import PublishedRow, paper_names, read_paper, selected
from longlag.papers.tables import as_json, as_markdown, cells_of
from longlag.papers.trials import read_trials, run_missing
from longlag.papers.verdict import RULE

__all__ = [
    "RULE",
    "Comparison",
    "PublishedRow",
    "as_json",
    "as_markdown",
    "cells_of",
    "compared",
    "paper_names",
    "read_paper",
    "read_trials",
    "run_missing",
    "selected",
]
