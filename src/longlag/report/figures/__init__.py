"""Runs -> the figures of a paper, as PNGs."""

from longlag.report.figures.save import save_figures

__all__ = ["save_figures"]
