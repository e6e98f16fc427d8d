"""Statistics: pure functions of numbers, the same as the database's views use."""

from lth_bench.stats.across import (
    TasksVerdict,
    interquartile_mean,
    judge_tasks,
    performance_profile,
    probability_of_improvement,
    tasks_needed,
)
from lth_bench.stats.best import may_be_best
from lth_bench.stats.critical import CriticalDifference, critical_groups
from lth_bench.stats.examples import examples_variance, total_error, wider_interval
from lth_bench.stats.observation import foreseen, prediction_interval
from lth_bench.stats.paired import bootstrap_interval, differences, paired_interval
from lth_bench.stats.power import minimum_detectable_effect, seeds_needed
from lth_bench.stats.predictive import Forecast, chance_settled, forecast
from lth_bench.stats.proportion import wilson
from lth_bench.stats.ranks import rank_intervals, ranks, wilcoxon
from lth_bench.stats.sequential import SequentialRule, decide
from lth_bench.stats.significance import equivalence_p, holm, not_worse_p, paired_t
from lth_bench.stats.summary import Interval, Summary, mean, t_interval
from lth_bench.stats.verdict import Verdict, VerdictKind, judge

__all__ = [
    "CriticalDifference",
    "Forecast",
    "Interval",
    "SequentialRule",
    "Summary",
    "TasksVerdict",
    "Verdict",
    "VerdictKind",
    "bootstrap_interval",
    "chance_settled",
    "critical_groups",
    "decide",
    "differences",
    "equivalence_p",
    "examples_variance",
    "forecast",
    "foreseen",
    "holm",
    "interquartile_mean",
    "judge",
    "judge_tasks",
    "may_be_best",
    "mean",
    "minimum_detectable_effect",
    "not_worse_p",
    "paired_interval",
    "paired_t",
    "performance_profile",
    "prediction_interval",
    "probability_of_improvement",
    "rank_intervals",
    "ranks",
    "seeds_needed",
    "t_interval",
    "tasks_needed",
    "total_error",
    "wider_interval",
    "wilcoxon",
    "wilson",
]
