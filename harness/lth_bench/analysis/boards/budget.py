"""The leaderboard at equal total cost: methods whose search and training took as many steps.

Budgets are those of the ablation `equal_cost` (`suite/ablations.py`), which trains a method that
trains once, or the dense network, for as many steps as an iterative method needs in all up to a
density.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from lth_bench.analysis.answers import OTHER_DATA
from lth_bench.analysis.boards import other_data
from lth_bench.analysis.boards.baseline import Baselines
from lth_bench.analysis.boards.decided import decided
from lth_bench.analysis.boards.judging import Words, adaptive_legend, judged, named_by, step_of
from lth_bench.analysis.boards.layout import difference, place, seeds, styles, tables
from lth_bench.analysis.boards.missing import outstanding
from lth_bench.analysis.boards.rows import (
    LABEL,
    ON,
    ORDER,
    TASK,
    BoardRow,
    fetch,
    lost_share,
    name,
    without_result,
)
from lth_bench.analysis.boards.rows import ranked as rank_rows
from lth_bench.analysis.boards.scope import BoardScope
from lth_bench.analysis.measures import ACCURACY, Measure
from lth_bench.analysis.numbers import count, kept, ratio
from lth_bench.analysis.samples import Sample
from lth_bench.analysis.table import Board, Cell, Line, Style
from lth_bench.errors import NothingSelected
from lth_bench.store.schema import quoted
from lth_bench.system.text import printable

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection

TOLERANCE = 0.01
"""A method belongs to a budget if its mean total steps differ from it by no more, relatively: a
schedule that is stretched is rounded to whole epochs and steps."""
EQUAL = "-equal_cost"
"""What the ablation adds to a label."""
BLOCK = ("suite", "model", "dataset", "recipe", "budget")

MEMBERS = """
    WITH lengthened AS (
        SELECT DISTINCT
            f.task, f.cell,
            TRY_CAST((p.config ->> '$.ablation.steps') AS BIGINT) AS budget
        FROM flat f JOIN plans p ON p.suite = f.suite AND p.experiment_id = f.experiment_id
        WHERE (p.config ->> '$.ablation.name') = 'equal_cost' AND {where}
    ),
    budgets AS (SELECT DISTINCT task, budget FROM lengthened WHERE budget > 0),
    spent AS (
        SELECT f.task, f.cell, avg(f.total_steps) AS steps
        FROM scored({metric}) f
        WHERE f.status = 'ok' AND f.control = 'none' AND {where}
            AND f.cell NOT IN (SELECT cell FROM lengthened)
        GROUP BY f.task, f.cell
    )
    SELECT b.task, b.budget, c.cell, c.label, c.strategy
    FROM (
        SELECT task, budget, cell FROM lengthened WHERE budget > 0
        UNION
        SELECT s.task, b.budget, s.cell
        FROM spent s JOIN budgets b
            ON b.task = s.task AND abs(s.steps - b.budget) <= $tolerance * b.budget
    ) b
    JOIN cells c ON c.cell = b.cell
    ORDER BY b.task, b.budget, c.label, c.cell
"""

SQL = """
    WITH members AS (
        SELECT unnest($keys) AS key, unnest($cells) AS cell, unnest($budgets) AS budget,
            unnest($bases) AS base
    ),
    runs AS (SELECT * FROM scored({metric}) f WHERE f.cell IN (SELECT unnest($cells))),
    dense AS (
        SELECT task, avg(steps) AS steps, avg(flops_dense) AS flops FROM dense_runs
        WHERE task IN (SELECT task FROM runs)
        GROUP BY task
    ),
    grouped AS (
        SELECT
            m.key, m.cell, m.budget, m.base,
            count(f.value) FILTER (f.status = 'ok') AS n,
            avg(f.value) FILTER (f.status = 'ok') AS mean,
            stddev_samp(f.value) FILTER (f.status = 'ok') AS deviation,
            avg(f.total_steps) FILTER (f.status = 'ok') AS total_steps,
            avg(f.total_flops_masked_theoretical) FILTER (f.status = 'ok') AS total_flops,
            min(f.test_examples) AS test_examples,
            count(f.value - b.value) AS difference_n,
            avg(f.value - b.value) AS difference,
            stddev_samp(f.value - b.value) AS difference_deviation,
            avg(b.value) FILTER (f.value IS NOT NULL) AS base_mean,
            count(*) AS planned, count(*) FILTER (is_lost(f.status)) AS lost,
            count(*) FILTER (is_lost(f.status)) AS failed,
            count(*) FILTER (f.status = 'skipped') AS skipped,
            count(*) FILTER (is_owed(f.status)) AS pending,
            any_value(f.reason) FILTER (f.status = 'skipped') AS reason
        FROM members m
        JOIN runs f ON f.cell = m.cell
        LEFT JOIN (SELECT * FROM runs WHERE status = 'ok') b
            ON b.cell = m.base AND b.seed = f.seed AND f.status = 'ok' AND b.cell <> f.cell
        GROUP BY m.key, m.cell, m.budget, m.base
    ),
    stepped AS (
        SELECT *, half_step({metric}, test_examples) AS step FROM grouped
    )
    SELECT
        {task}, g.budget, g.budget / d.steps AS trainings, c.target_density, {label},
        g.n, NULL AS rank, g.mean,
        g.mean - half_width(q.t, greatest(g.deviation, g.step), g.n) AS low,
        g.mean + half_width(q.t, greatest(g.deviation, g.step), g.n) AS high,
        g.difference,
        g.difference - half_width(bq.t, greatest(g.difference_deviation, g.step), g.difference_n)
            AS difference_low,
        g.difference + half_width(bq.t, greatest(g.difference_deviation, g.step), g.difference_n)
            AS difference_high,
        g.difference_n, g.difference_deviation, g.base_mean, o.label AS baseline,
        o.target_density AS base_density,
        concat_ws('/', o.source_model, o.source_dataset, o.source_recipe) AS base_source, g.key,
        g.total_steps, g.total_flops / d.flops AS flops_masked_ratio, g.test_examples,
        g.planned, g.failed, g.skipped, g.pending, g.lost, g.reason, c.tuned_from, c.tuning_steps
    FROM stepped g
    JOIN cells c ON c.cell = g.cell
    JOIN tasks t ON t.task = c.task
    LEFT JOIN dense d ON d.task = c.task
    LEFT JOIN cells o ON o.cell = g.base
    LEFT JOIN t_quantiles q ON q.df = g.n - 1
    LEFT JOIN t_quantiles bq ON bq.df = g.difference_n - 1
    ORDER BY t.suite, t.model, t.dataset, t.recipe, g.budget, {order}
"""

PAIRED = """
    WITH members AS (
        SELECT unnest($keys) AS key, unnest($cells) AS cell, unnest($bases) AS base
    ),
    runs AS (
        SELECT * FROM scored({metric}) f
        WHERE f.cell IN (SELECT unnest($cells)) AND f.status = 'ok' AND f.value IS NOT NULL
    )
    SELECT
        m.key, f.seed, f.test_examples, f.ticket_id, f.value,
        b.ticket_id AS base_ticket, b.value AS base_value
    FROM members m
    JOIN runs f ON f.cell = m.cell
    LEFT JOIN runs b ON b.cell = m.base AND b.seed = f.seed AND b.cell <> f.cell
"""
"""As `other_data.PAIRED`, with what each budget's methods are compared with."""


def rows(
    con: DuckDBPyConnection,
    scope: BoardScope,
    against: Baselines,
    margin: float | None = None,
    measure: Measure = ACCURACY,
) -> list[BoardRow]:
    """One row a task, budget and method of that total cost, the best of a budget first.

    `budget` is in steps of search and training, `trainings` the same in trainings of the dense
    network. `mean` is of the metric, with its 95% t-interval; `difference` to `baseline` at the
    same budget, paired by seed, with its interval and verdict as on the leaderboard by accuracy.
    `baseline` is the suite's, or the one asked for, or that label's `equal_cost`; where a budget
    has neither, the method whose cost it is. Then the columns of `other_data`. Where seeds were
    added until decided, verdict and difference are those of `decided.decided`, of all pairs of
    seeds with that method; all else is over the seeds that all labels of the task have.
    NothingSelected where no budget is known.
    """
    metric, where = quoted(measure.name), scope.where("f")
    sql = MEMBERS.format(metric=metric, where=where)
    found = con.execute(sql, {**scope.parameters, "tolerance": TOLERANCE}).fetchall()
    if not found:
        raise NothingSelected(
            "no result here has the ablation equal_cost, which spends on a method what another one "
            'costs in all; add ablations = ["equal_cost"] and compared_to = "imp", an iterative '
            "method, to a strategy of the suite (suites/README.md, Ablations), or "
            f"`lth-bench run studies/cost{scope.results_option}`"
        )
    blocks: dict[tuple[int, int], list[Any]] = defaultdict(list)
    for task, budget, *rest in found:
        blocks[task, budget].append(rest)
    members: dict[str, list[Any]] = {"keys": [], "cells": [], "budgets": [], "bases": []}
    for (task, budget), those in blocks.items():
        wanted = against.of[scope.tasks[task].suite]
        base = _base(those, wanted.label if wanted is not None else "", asked=bool(against.asked))
        for cell, *_ in those:
            for key, value in (("cells", cell), ("budgets", budget), ("bases", base)):
                members[key].append(value)
            members["keys"].append(len(members["keys"]))
    made = SQL.format(metric=metric, task=TASK, label=LABEL, order=ORDER)
    fetched = fetch(con, made, members)
    pairs = {name: members[name] for name in ("keys", "cells", "bases")}
    other_data.add_of_pairs(con, fetched, PAIRED.format(metric=metric), pairs, measure)
    shown = [_judged(row, against, margin, measure) for row in fetched]
    shown = decided(con, shown, against, margin, measure, base=_sample)
    for row in shown:
        del row["base_density"], row["base_source"], row["key"]
    return rank_rows(shown, lambda row: _merit(row, measure), BLOCK)


def _base(members: Sequence[Sequence[Any]], wanted: str, *, asked: bool) -> int | None:
    """The cell that a budget's methods are compared with: see `rows`."""
    by_label = {label: cell for cell, label, _ in members}
    for label in (wanted, wanted + EQUAL):
        if label in by_label:
            return int(by_label[label])
    own = [cell for cell, label, _ in members if not label.endswith(EQUAL)]
    return int(own[0]) if own and not asked else None


def _sample(row: BoardRow, among: Sequence[Sample]) -> Sample | None:
    """What a row is compared with; None of that method itself."""
    if row["baseline"] is None or row["label"] == row["baseline"]:
        return None
    place = (*(row[key] for key in ON), row["baseline"], row["base_density"], row["base_source"])
    for s in among:
        own = (*(getattr(s, key) for key in ON), s.label, s.target_density, s.source)
        if own == place and s.control == "none":
            return s
    return None


def _judged(row: BoardRow, against: Baselines, margin: float | None, measure: Measure) -> BoardRow:
    stated = against.margin_of(row["suite"], margin, measure)
    size = measure.margin(stated, row.pop("base_mean") or 0.0)
    is_base = row["label"] == row["baseline"]
    options: Mapping[str, Any] = {
        "level": against.level(row["suite"]), "step": step_of(measure)(row),
        "higher": measure.higher, "unit": measure.difference_unit,
    }  # fmt: skip
    found = judged(
        row["difference_n"], row["difference"], row["difference_deviation"], margin=size,
        lost=0 if is_base or row["baseline"] is None else row["lost"], planned=row["planned"],
        **options,
    )  # fmt: skip
    return {**row, "margin": size, **found, **named_by(measure)}


def _merit(row: BoardRow, measure: Measure) -> tuple[float, float] | None:
    """Smaller is better; a lost seed counts as on the leaderboard by accuracy."""
    if row["mean"] is None:
        return None
    if measure.worst is None:
        return lost_share(row), round(-measure.sign * row["mean"], 12)
    whole = row["mean"] * row["n"] + measure.worst * row["lost"]
    return 0.0, round(-measure.sign * whole / (row["n"] + row["lost"]), 12)


def board(
    con: DuckDBPyConnection,
    scope: BoardScope,
    against: Baselines,
    margin: float | None = None,
    measure: Measure = ACCURACY,
) -> Board:
    """The leaderboard at equal total cost."""
    found = rows(con, scope, against, margin, measure)
    words = Words.of(measure, against, margin, "the baseline")
    wider = other_data.shown(found)
    unit = f", in {measure.difference_unit}" if measure.difference_unit else ""
    legend = (
        "At equal total cost: methods whose search and training took as many steps together, "
        f"within {100 * TOLERANCE:g}%. budget: those steps, and how many trainings of the dense "
        f"network they are. LABEL{EQUAL}: the method with its schedule stretched to the budget. "
        f"#: by {measure.short}; dense networks are not ranked. {measure.short}: mean ± 95% "
        "t-interval over the seeds. Δ: mean difference to the method in the column `to` at the "
        f"same budget, seed by seed{unit}; --baseline chooses another. FLOPs: of both, if pruned "
        f"weights cost nothing, as a multiple of the dense run's. {words.legend('that method')} "
        "n: seeds."
    )
    legend += other_data.LEGEND if wider else ""
    shown = tables(
        found,
        lambda row: header(measure, wider),
        lambda row, first: line(row, first, words, measure, wider=wider),
        lambda members: [
            *against.notes(members), *outstanding(members, scope), *_unpaired(members),
            *other_data.notes(members),
        ],
    )  # fmt: skip
    return Board("leaderboard", found, shown, legend + adaptive_legend(found))


def header(measure: Measure = ACCURACY, wider: bool = False) -> tuple[str, ...]:
    """Of every task's table; `wider` with the interval for other test data."""
    return (
        "budget", "#", "strategy", "density %", measure.column, "Δ",
        *([OTHER_DATA] if wider else []), "to", "verdict", "n", "FLOPs",
    )  # fmt: skip


def line(
    row: BoardRow, first: bool, words: Words, measure: Measure = ACCURACY, *, wider: bool = False
) -> Line:
    """A row of the table."""
    mine, whole = styles(row)
    verdict = words.cell(row)
    flops = row["flops_masked_ratio"]
    return (
        Cell(_budget(row) if first else "", "strong", short=count(row["budget"]) if first else ""),
        Cell(place(row), mine),
        name(row, mine),
        Cell(kept(row["target_density"]), whole),
        _mean(row, mine, measure),
        difference(row, verdict.style or whole, measure),
        *([other_data.half(row, whole, measure)] if wider else []),
        Cell(printable(row["baseline"] or "–"), "dim"),
        verdict,
        Cell(seeds(row), whole),
        Cell("" if flops is None else ratio(flops), whole),
    )


def _budget(row: BoardRow) -> str:
    """`2,800 steps (7×)`."""
    times = "" if row["trainings"] is None else f" ({ratio(row['trainings'])}×)"
    return f"{count(row['budget'])} steps{times}"


def _mean(row: BoardRow, style: Style, measure: Measure) -> Cell:
    if row["mean"] is None:
        return Cell(without_result(row), "warn")
    text = measure.with_half(row["mean"], row["high"], row["low"])
    return Cell(text, style, text.replace(" ± ", "±"))


def _unpaired(rows: Sequence[BoardRow]) -> list[str]:
    """What must be said of budgets without a baseline, and of skipped rows."""
    said = []
    without = sorted({row["budget"] for row in rows if row["baseline"] is None})
    if without:
        budgets = ", ".join(count(budget) for budget in without)
        said.append(
            f"no baseline at {budgets} steps: dense{EQUAL} has the budget of the sparsest density"
            if len(without) > 1 else f"no baseline at {budgets} steps"
        )  # fmt: skip
    reasons = {row["label"]: row["reason"] for row in rows if row["skipped"] and row["reason"]}
    return said + [printable(f"{label} skipped: {reason}") for label, reason in reasons.items()]
