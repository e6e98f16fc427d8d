"""From waiting fits to cohorts: what is reused, what is joined, what is trained together."""
