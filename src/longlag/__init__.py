"""longlag: a laboratory for long-time-lag learning with recurrent networks."""

__version__ = "0.1.0"
