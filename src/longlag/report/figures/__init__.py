"""Runs -> the figures of a paper, as PNGs."""

from longlag.report.figures.save import save_figures, save_solve_rates

__all__ = ["save_figures", "save_solve_rates"]
