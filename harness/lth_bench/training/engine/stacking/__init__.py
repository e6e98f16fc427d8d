"""Several members of a network in one module, and whether they then train as they do alone."""
