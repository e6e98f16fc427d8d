"""Statistics: pure functions of numbers, the same as the database's views use."""

from lth_bench.stats.interval import Interval, t_interval
from lth_bench.stats.paired import differences, paired_interval

__all__ = ["Interval", "differences", "paired_interval", "t_interval"]
