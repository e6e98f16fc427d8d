"""What the seeds of one cell gave: the values that statistics are made of, failures included.

A cell is a (suite, task, target density, label, control). How failures count is one policy:
`failed` and `diverged` seeds are lost by the method, `skipped` ones cannot be reached by it, all
others without a result (out of memory or time, interrupted, still planned) are owed by the machine
and say nothing of the method. A control that was skipped would have been its own ticket, or has
none: that says nothing of the method either.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from lth_bench.analysis.measures import measured
from lth_bench.errors import UserError
from lth_bench.store.metric import CENSORED, scored_sql
from lth_bench.store.records import DROPPED
from lth_bench.store.schema import quoted
from lth_bench.suite.decide import FEWEST, MOST, Decide

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection


def display_name(label: str, control: str = "none", origin: str = "") -> str:
    """What every table, figure and page calls a label: `imp`, `imp/reinit`, `imp from mnist`."""
    name = label if control == "none" else f"{label}/{control}"
    return f"{name} from {origin}" if origin else name


@dataclass(frozen=True, kw_only=True)
class Sample:
    """One metric of one cell, seed by seed."""

    suite: str
    model: str
    dataset: str
    recipe: str
    target_density: float
    """Kept fraction asked for, in (0, 1]; 1 is the dense run."""
    strategy: str
    label: str
    control: str
    """`none` for the ticket itself."""
    source: str
    """Task the ticket was found on, MODEL/DATASET/RECIPE; its own unless transferred."""
    values: Mapping[int, float]
    """By seed: the metric of the rows that ended ok."""
    lost: frozenset[int]
    """Seeds that the method failed or diverged on."""
    skipped: frozenset[int]
    """Seeds on which the method cannot reach the density, or whose control there is not."""
    missing: frozenset[int]
    """Seeds still owed."""
    dropped: frozenset[int] = frozenset()
    """Those of `missing` that have ended and are not run again by themselves: out of memory or
    time, or without a finite value."""
    rule: Decide | None = None
    """Until when seeds were added, where every seed was asked for; None at a fixed number."""
    decisive: bool = True
    """Whether the metric is the one that its task is judged by, which such a rule is made for."""
    step: float = 0.0
    """The distance of two values: of accuracies on N test examples 1/N; of a chance 3/√n, which
    stands for what n seeds that agree do not show; 0 where it is not known, and of all others."""
    answers: Mapping[int, bytes | None] = field(default_factory=dict)
    """By seed: which test examples are right, packed as in the table `answers`; None of a seed
    without. Empty unless asked for."""
    examples: int | None = None
    """Test examples that answers are of; None where seeds differ, or it is not known."""
    censored: frozenset[int] = frozenset()
    """Seeds whose value is a time that was not reached: later than the value, the budget."""

    @property
    def task(self) -> str:
        """MODEL/DATASET/RECIPE."""
        return f"{self.model}/{self.dataset}/{self.recipe}"

    @property
    def name(self) -> str:
        """The label, or LABEL/CONTROL."""
        return display_name(self.label, self.control)

    @property
    def unreached(self) -> frozenset[int]:
        """Seeds on which the method cannot reach the density. A control reaches its ticket's."""
        return self.skipped if self.control == "none" else frozenset()

    @property
    def planned(self) -> int:
        """Seeds planned."""
        return len(self.values) + len(self.lost) + len(self.skipped) + len(self.missing)


def samples(
    con: DuckDBPyConnection,
    *,
    metric: str = "test_accuracy",
    suites: Sequence[str] = (),
    labels: Sequence[str] = (),
    rows: str = "flat",
    given: Sequence[object] = (),
    every_seed: bool = False,
    answers: bool = False,
) -> list[Sample]:
    """Every cell's sample of one metric, by suite, task, density from dense to sparse, label.

    `metric` is a numeric column of `tickets_flat` or a name in the table `metrics`; `score` is each
    task's own. A row that
    ended ok without that metric (as where only some strategies report it) counts as missing.
    `rows` is SQL for other rows than those that count, with the columns of the table `flat`, and
    `given` its parameters; `answers` asks for those. With `every_seed`, also the seeds that only
    some labels have, where seeds were added until decided. UnknownName for a metric that is
    neither.
    """
    name = quoted(measured(con, metric).name)
    where, parameters = ["true"], list(given)
    for column, asked in (("suite", suites), ("label", labels)):
        if asked:
            where.append(f"list_contains(?, f.{column})")
            parameters.append(list(asked))
    ok = "f.status = 'ok' AND value IS NOT NULL AND isfinite(value)"
    bits = f"list(a.bits ORDER BY seed) FILTER ({ok})" if answers else "NULL"
    joined = ANSWERS.format(metric=name) if answers else ""
    found = con.execute(
        f"""
        SELECT
            suite, model, dataset, recipe, target_density, strategy, label, control,
            concat_ws('/', source_model, source_dataset, source_recipe),
            list(seed ORDER BY seed) FILTER ({ok}),
            list(value ORDER BY seed) FILTER ({ok}),
            list(seed) FILTER (is_lost(status)),
            list(seed) FILTER (status = 'skipped'),
            list(seed) FILTER (
                NOT coalesce({ok}, false) AND NOT is_lost(status) AND status <> 'skipped'
            ),
            list(seed) FILTER (
                NOT coalesce({ok}, false) AND status IN ('ok', {", ".join(map(quoted, DROPPED))})
            ),
            2 * half_step(judged_by({name}, any_value(f.metric)), min(test_examples))
                + 2 * half_step_of_chance({name}, count(*) FILTER ({ok})),
            list(seed) FILTER ({ok} AND {_never(metric)}),
            CASE WHEN min(test_examples) = max(test_examples) THEN min(test_examples) END,
            judged_by({name}, any_value(f.metric)) = any_value(f.metric),
            {bits}
        FROM ({scored_sql(name, rows, every_seed=every_seed)}) f {joined}
        WHERE {" AND ".join(where)}
        GROUP BY cell, suite, model, dataset, recipe, target_density, strategy, label, control,
            source_model, source_dataset, source_recipe
        ORDER BY suite, model, dataset, recipe, target_density DESC, label, control <> 'none',
            control, 9
        """,
        parameters,
    ).fetchall()
    rules = rules_of(con) if every_seed else {}
    return [_sample(row, rules) for row in found]


def rules_of(con: DuckDBPyConnection) -> dict[str, Decide]:
    """By suite: until when its last run added seeds, of those that did.

    UserError for a rule that no run follows, as a stranger's record may have it.
    """
    found = {}
    for suite, margin, most in con.execute(
        "SELECT suite, decide_margin, max_seeds FROM suites WHERE max_seeds IS NOT NULL"
    ).fetchall():
        if not FEWEST <= most <= MOST or not (margin is None or 0 < margin < 1):
            own = "the default margin" if margin is None else f"margin {margin}"
            raise UserError(
                f"it is recorded of suite {suite!r} that seeds were added up to {most}, with {own};"
                f" there are {FEWEST} to {MOST} seeds, and margins lie between 0 and 1"
            )
        found[suite] = Decide(margin=margin, max_seeds=most)
    return found


ANSWERS = """
    LEFT JOIN answers a ON a.ticket_id = f.ticket_id AND a.metric = judged_by({metric}, f.metric)"""


def _never(metric: str) -> str:
    """SQL: whether a row's value of the metric is a time that its training never reached."""
    if metric not in CENSORED:
        return "false"
    reached = quoted(CENSORED[metric])
    return f"f.ticket_id IN (SELECT ticket_id FROM metrics WHERE metric = {reached} AND value = 0)"


def _sample(row: tuple[Any, ...], rules: Mapping[str, Decide]) -> Sample:
    suite, model, dataset, recipe, density, strategy, label, control, source, *rest = row
    *found, step, never, examples, decisive, bits = rest
    seeds, values, lost, skipped, missing, dropped = (x or [] for x in found)
    by_seed = dict(zip(seeds, values, strict=True))
    return Sample(
        suite=suite,
        model=model,
        dataset=dataset,
        recipe=recipe,
        target_density=density,
        strategy=strategy,
        label=label,
        control=control,
        source=source,
        values=by_seed,
        lost=frozenset(lost),
        skipped=frozenset(skipped),
        missing=frozenset(missing),
        dropped=frozenset(dropped),
        step=step or 0.0,
        answers=dict(zip(seeds, bits, strict=True)) if bits else {},
        examples=examples,
        censored=frozenset(never or ()),
        rule=rules.get(suite),
        decisive=decisive is not False,
    )
