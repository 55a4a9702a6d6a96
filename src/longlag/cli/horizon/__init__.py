"""``longlag horizon``: how long a lag most seeds solve within a budget of training sequences."""

from longlag.cli.horizon.command import run

__all__ = ["run"]
