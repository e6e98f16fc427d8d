"""Training: recipes, the engine and its input, checkpoints, and the dispatch of waiting fits."""
