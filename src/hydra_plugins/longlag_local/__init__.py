"""``hydra/launcher=local``: the jobs of a grid on one machine, several at once."""
