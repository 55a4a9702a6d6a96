"""A grid of jobs: look ahead at all of them, then have a launcher run them, here or on a cluster."""
