"""Whether a task is really long-lag: three baselines without a long memory, or without training."""
