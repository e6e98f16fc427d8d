"""Why an experiment was trained or reused, and what a run would do now."""

from lth_bench.explain.why import why

__all__ = ["why"]
