"""Numbers as tables show them, under their former address."""

from lth_bench.report.numbers import count, percent

__all__ = ["count", "percent"]
