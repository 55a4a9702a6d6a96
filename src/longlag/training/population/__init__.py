"""Training of a population: several runs as one batch."""
