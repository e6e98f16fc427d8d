"""Statistics: pure functions of numbers, the same as the database's views use."""

from lth_bench.stats.across import TasksVerdict, judge_tasks, tasks_needed
from lth_bench.stats.critical import CriticalDifference, critical_groups
from lth_bench.stats.equivalence import equivalence_p, not_worse_p
from lth_bench.stats.interval import Interval, bootstrap_interval, t_interval
from lth_bench.stats.paired import differences, paired_interval
from lth_bench.stats.power import minimum_detectable_effect, seeds_needed
from lth_bench.stats.predictive import Forecast, chance_settled, forecast
from lth_bench.stats.profile import performance_profile
from lth_bench.stats.rank_interval import rank_intervals
from lth_bench.stats.ranks import ranks
from lth_bench.stats.robust import interquartile_mean, probability_of_improvement
from lth_bench.stats.signed_rank import wilcoxon
from lth_bench.stats.significance import holm, paired_t
from lth_bench.stats.summary import Summary
from lth_bench.stats.verdict import Kind, Verdict, judge

__all__ = [
    "CriticalDifference",
    "Forecast",
    "Interval",
    "Kind",
    "Summary",
    "TasksVerdict",
    "Verdict",
    "bootstrap_interval",
    "chance_settled",
    "critical_groups",
    "differences",
    "equivalence_p",
    "forecast",
    "holm",
    "interquartile_mean",
    "judge",
    "judge_tasks",
    "minimum_detectable_effect",
    "not_worse_p",
    "paired_interval",
    "paired_t",
    "performance_profile",
    "probability_of_improvement",
    "rank_intervals",
    "ranks",
    "seeds_needed",
    "t_interval",
    "tasks_needed",
    "wilcoxon",
]
