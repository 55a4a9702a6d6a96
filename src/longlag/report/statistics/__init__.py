"""Statistics over runs: solve rates, associations, and the prediction of success by the early gradient."""
