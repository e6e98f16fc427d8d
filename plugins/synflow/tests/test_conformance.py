"""Every contract of lth-bench, for SynFlow."""

from __future__ import annotations

from lth_bench.testing import StrategyConformance


class TestSynFlow(StrategyConformance):
    strategy = "synflow"
    params = {"rounds": 10}
