"""Several members of a network in one module, and whether they train there exactly as alone."""
