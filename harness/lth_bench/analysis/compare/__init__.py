"""`lth-bench compare`: two strategies, databases, or revisions of one strategy, paired by seed."""
