"""Suites: TOML in, a validated grid out. Imports neither torch nor any plugin."""

from lth_bench.suite.load import load_suite
from lth_bench.suite.select import smoke
from lth_bench.suite.spec import Component, StrategySpec, Suite, TaskSpec

__all__ = ["Component", "StrategySpec", "Suite", "TaskSpec", "load_suite", "smoke"]
