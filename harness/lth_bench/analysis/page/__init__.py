"""Everything that the report shows, as plain rows: `gather_report` reads it, nothing here draws."""

from lth_bench.analysis.page.facts import (
    Best,
    Judgement,
    ReportFacts,
    Standing,
    SuiteReport,
    TaskReport,
    TuningGain,
)
from lth_bench.analysis.page.gather import gather_report

__all__ = [
    "Best",
    "Judgement",
    "ReportFacts",
    "Standing",
    "SuiteReport",
    "TaskReport",
    "TuningGain",
    "gather_report",
]
