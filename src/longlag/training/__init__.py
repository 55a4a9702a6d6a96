"""Training: the LightningModule, its callbacks and loggers, and one run from start to end."""
