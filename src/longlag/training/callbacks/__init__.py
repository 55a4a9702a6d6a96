"""Lightning callbacks of a run: probes, progress, the solved criterion, stopping."""
