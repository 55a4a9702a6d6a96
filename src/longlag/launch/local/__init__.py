"""The launcher for one machine: worker processes, one for each core or GPU."""
