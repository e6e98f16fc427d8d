"""What a site shows beside each suite's report: tickets, methods, what sets databases apart.

`gather_database` reads every suite of one database; pages over several databases put results side
by side and compare no number of one with a number of another.
"""

from lth_bench.analysis.site.apart import Apart, Made, apart
from lth_bench.analysis.site.experiments import LabelSeed, TicketRow
from lth_bench.analysis.site.gather import LabelSetting, SiteSuite, gather_database
from lth_bench.analysis.site.papers import MethodPaper, papers

__all__ = [
    "Apart",
    "LabelSeed",
    "LabelSetting",
    "Made",
    "MethodPaper",
    "SiteSuite",
    "TicketRow",
    "apart",
    "gather_database",
    "papers",
]
