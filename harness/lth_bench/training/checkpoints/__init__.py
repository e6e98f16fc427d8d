"""What training keeps on disk: finished trainings, and those that are under way."""
