"""Everything that the report shows, as plain rows: `gather_report` reads it, nothing here draws."""

from lth_bench.analysis.page.facts import (
    Best,
    ReportFacts,
    Standing,
    SuiteReport,
    TaskReport,
)
from lth_bench.analysis.page.gather import gather_report

__all__ = [
    "Best",
    "ReportFacts",
    "Standing",
    "SuiteReport",
    "TaskReport",
    "gather_report",
]
