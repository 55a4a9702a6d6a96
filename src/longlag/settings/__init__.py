"""Settings: Hydra composes them, they become plain values, and plain values become the objects of a run."""
