"""A run, in the order in which it happens: request, plan, pending work, executors, records."""
