"""Trained runs at other lags than their own: accuracy, the task's criterion, and the error flow there."""

from longlag.other_lags.measure import AtLag, figures_at

__all__ = ["AtLag", "figures_at"]
