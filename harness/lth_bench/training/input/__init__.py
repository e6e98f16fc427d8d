"""A task's data on its way to a cohort: where it is stored, and how batches are made."""
