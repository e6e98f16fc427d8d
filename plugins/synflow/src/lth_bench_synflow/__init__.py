"""SynFlow as a plugin of lth-bench."""

from lth_bench_synflow.synflow import SynFlow

__all__ = ["SynFlow"]
__version__ = "0.1.0"
