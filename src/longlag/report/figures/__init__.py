"""Runs -> the figures of a paper, as PNGs."""

from longlag.report.figures.save import SOLVE_RATE, save_figures

__all__ = ["SOLVE_RATE", "save_figures"]
