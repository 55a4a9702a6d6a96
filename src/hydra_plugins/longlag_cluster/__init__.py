"""``hydra/launcher=slurm`` and ``hydra/launcher=ray``: the jobs of a grid on a cluster."""
