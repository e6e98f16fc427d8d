"""Two sides compared: strategies, databases, or revisions of one strategy."""
