"""A task's data on its way to a cohort: where it lies, and each batch of it."""
