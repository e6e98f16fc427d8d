"""From results to rows, once: leaderboards, comparisons, claims, the evidence of figures."""
