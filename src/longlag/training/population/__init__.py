"""Train the runs of a grid as one batch: each as if it were alone, with its own folder, curves and checkpoints."""
