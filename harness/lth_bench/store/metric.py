"""What a metric's name implies: the unit of its values, which direction is better, and the split.

One table of rules for Python (`analysis.measures`) and SQL (the macros `metric_unit` and
`higher_is_better`), so that a leaderboard in a notebook ranks like the command line.
"""

from __future__ import annotations

from fnmatch import fnmatchcase
from typing import TYPE_CHECKING, Literal, NamedTuple, get_args

from lth_bench.errors import UnknownName

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection

MetricUnit = Literal["fraction", "steps", "examples", "FLOPs", "s", ""]
"""The unit of a metric's values; a fraction is written in percent, its differences in points."""

MetricSplit = Literal["test", "val", "train", ""]
"""The split that a metric is measured on; "" if none."""

COLUMNS = (
    "test_accuracy", "early_stop_accuracy", "test_loss", "val_accuracy", "train_accuracy",
    "early_stop_step", "density", "effective_density", "unit_density", "steps", "examples",
    "flops_dense", "flops_masked_theoretical", "seconds", "search_steps", "search_examples",
    "search_flops_dense", "search_flops_masked_theoretical", "search_seconds", "spent_steps",
    "spent_seconds", "target_density", "rewind_step", "test_examples", "empty_layers",
    "score", "early_stop_score", "bit_operations", "search_bit_operations",
)  # fmt: skip
"""Metrics of every ticket: the numeric columns of `tickets_flat`."""

POINTS_MARGIN, RELATIVE_MARGIN = 0.005, 0.05
"""Differences this small do not matter unless a margin is given: of fractions half a point, of
other metrics relative to what is compared with."""

OF_TASKS = ("score", "early_stop_score")
"""Those that are another metric in each task: its primary one."""

TOTALS = {
    f"total_{name}": f"f.{name} + f.search_{name}"
    for name in ("steps", "examples", "flops_dense", "flops_masked_theoretical", "bit_operations",
                 "seconds")
}  # fmt: skip
"""The cost of a ticket without sharing, of training and search, from columns of a ticket `f`."""

DERIVED = {"generalisation_gap": "f.train_accuracy - f.test_accuracy", **TOTALS}
"""Metrics computed from columns of a ticket `f`, in SQL."""

CENSORED = {"generalisation_step": "generalised"}
"""Times that a training may never reach, whose value then is the budget, and the metric that is 1
where it did and 0 where not."""

CHANCES = ("generalised",)
"""Metrics that are 1 or 0 at every seed: their mean is the fraction of seeds, an estimate of a
chance, whose interval is Wilson's (`stats.wilson`)."""

ON_TEST_EXAMPLES = ("test_accuracy", "early_stop_accuracy")
"""Fractions of the test examples, so that two values differ by at least 1 / `test_examples`."""


class MetricRule(NamedTuple):
    """Properties shared by the names that match a pattern."""

    pattern: str
    """With * as in file names."""
    unit: MetricUnit
    higher: bool
    """Whether higher values are better."""


RULES = (
    MetricRule("*accuracy", "fraction", True),
    MetricRule("*_map", "fraction", True),
    MetricRule("*_f1", "fraction", True),
    MetricRule("*_r2", "", True),
    MetricRule("*_rmse", "", False),
    MetricRule("*_perplexity", "", False),
    MetricRule("*_bits_per_byte", "", False),
    MetricRule("*density", "fraction", False),
    MetricRule("generalised", "fraction", True),
    MetricRule("generalisation_gap", "fraction", False),
    MetricRule("calibration_error", "fraction", False),
    MetricRule("barrier_*_error*", "fraction", False),
    MetricRule("barrier_*", "", False),
    MetricRule("*_same_sign", "fraction", True),
    MetricRule("*_grew", "fraction", True),
    MetricRule("copies_distance", "", False),
    MetricRule("hull_distance", "", False),
    MetricRule("*loss", "", False),
    MetricRule("steps", "steps", False),
    MetricRule("*_step", "steps", False),
    MetricRule("*_steps", "steps", False),
    MetricRule("examples", "examples", False),
    MetricRule("*_examples", "examples", False),
    MetricRule("*flops*", "FLOPs", False),
    MetricRule("*bit_operations", "", False),
    MetricRule("*seconds", "s", False),
)
"""The first match applies. For all other names, those of plugins, higher is better and there is
no unit, unless the name is the primary metric of an objective, which declares both."""


def rule_of(metric: str) -> MetricRule | None:
    """The rule for a metric's name; None for a plugin's own."""
    return next((rule for rule in RULES if fnmatchcase(metric, rule.pattern)), None)


def split_of(metric: str) -> MetricSplit:
    """`test` of `test_loss`; early stopping is judged on the test split."""
    if metric == "early_stop_accuracy":
        return "test"
    first = metric.split("_", 1)[0]
    return next((split for split in get_args(MetricSplit) if split and split == first), "")


def require_metric(con: DuckDBPyConnection, metric: str) -> None:
    """UnknownName, listing the known metrics, for one that no ticket has."""
    if metric in COLUMNS or metric in DERIVED:
        return
    reported = con.execute("SELECT DISTINCT metric FROM metrics").fetchall()
    names = {name for (name,) in reported}
    if metric not in names:
        raise UnknownName("metric", metric, {*COLUMNS, *DERIVED, *names})


def scored_sql(metric: str, rows: str = "flat", *, every_seed: bool = False) -> str:
    """A query for rows with their metric as `value`, and what a ticket takes in all as `total_*`.

    Args:
        metric: SQL expression of the metric's name; `value` is NULL of one that is not there.
        rows: SQL of a relation with the columns of the table `flat`.
        every_seed: Also the seeds that only some labels of a task have, where seeds are added until
            decided; a mean over them would be one over others for each label.
    """
    named = {**{name: f'f."{name}"' for name in COLUMNS}, **DERIVED}
    for name in OF_TASKS:  # a label planned for another objective has no value beside the others
        named[name] = f"CASE WHEN f.metric = k.metric THEN {named[name]} END"
    values = " ".join(f"WHEN '{name}' THEN {value}" for name, value in named.items())
    known = ", ".join(f"'{name}'" for name in named)
    totals = ", ".join(f"{value} AS {name}" for name, value in TOTALS.items())
    common = "" if every_seed else "ANTI JOIN uncommon u ON u.task = f.task AND u.seed = f.seed"
    return f"""
        SELECT
            f.*,
            finite_or_null(CAST(CASE {metric} {values} ELSE m.value END AS DOUBLE)) AS value,
            {totals}
        FROM {rows} f
        LEFT JOIN tasks k ON k.task = f.task
        LEFT JOIN metrics m
            ON m.ticket_id = f.ticket_id AND m.metric = {metric} AND {metric} NOT IN ({known})
        {common}
    """


def macros() -> str:
    """SQL that creates the macros on metrics, and the table macro `scored`."""
    units = " ".join(f"WHEN metric_name GLOB '{r.pattern}' THEN '{r.unit}'" for r in RULES)
    ways = " ".join(f"WHEN metric_name GLOB '{r.pattern}' THEN {r.higher}" for r in RULES)
    tested = ", ".join(f"'{name}'" for name in ON_TEST_EXAMPLES)
    chances = ", ".join(f"'{name}'" for name in CHANCES)
    return f"""
        CREATE MACRO finite_or_null(x) AS CASE WHEN isfinite(x) THEN x END;
        CREATE MACRO metric_unit(metric_name) AS coalesce(
            (SELECT any_value(k.unit) FROM measures k WHERE k.metric = metric_name),
            CASE {units} ELSE '' END
        );
        CREATE MACRO higher_is_better(metric_name) AS coalesce(
            (SELECT any_value(k.higher_is_better) FROM measures k WHERE k.metric = metric_name),
            CASE {ways} ELSE true END
        );
        CREATE MACRO stated_margin(given, metric_name) AS coalesce(
            given,
            CASE metric_unit(metric_name)
                WHEN 'fraction' THEN {POINTS_MARGIN} ELSE {RELATIVE_MARGIN}
            END
        );
        CREATE MACRO is_on_test_examples(metric_name) AS metric_name IN ({tested});
        CREATE MACRO is_chance(metric_name) AS metric_name IN ({chances});
        CREATE MACRO scored(metric_name) AS TABLE {scored_sql("metric_name")};
    """
