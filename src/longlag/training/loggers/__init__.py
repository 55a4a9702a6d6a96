"""Where the figures of a run go: the run folder, and W&B as its mirror."""
