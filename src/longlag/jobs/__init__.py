"""One job: claim its folder, train its run, on one process or on ranks of several machines."""
