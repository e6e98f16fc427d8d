"""From waiting fits to cohorts: which are reused, which share a training, which train together."""
