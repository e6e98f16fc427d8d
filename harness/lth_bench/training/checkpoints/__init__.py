"""What training stores on disk: finished trainings, and checkpoints of unfinished ones."""
