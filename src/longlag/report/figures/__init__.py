"""Runs -> the figures of a paper, in PNG, PDF or SVG."""

from longlag.report.figures.save import save_figures, save_solve_rates
from longlag.report.figures.style import FORMATS, Layout

__all__ = ["FORMATS", "Layout", "save_figures", "save_solve_rates"]
