"""``hydra/launcher=local``, ``slurm`` and ``ray``: the jobs of a grid, several at once."""
