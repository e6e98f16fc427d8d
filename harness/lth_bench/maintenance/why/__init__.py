"""Why an experiment was trained or reused, and what a run would do now."""

from lth_bench.maintenance.why.history import why

__all__ = ["why"]
