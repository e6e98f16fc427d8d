"""`fit`: recipes, the engine, its input, its checkpoints, and how waiting fits are dispatched."""
