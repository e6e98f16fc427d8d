"""Where tickets are found against where they are trained: a grid for each label and density."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import groupby
from typing import TYPE_CHECKING

from lth_bench.analysis.boards.notes import LOST_MARK, MARK
from lth_bench.analysis.boards.rows import LABEL, TASK, BoardRow, fetch
from lth_bench.analysis.boards.scope import BoardScope
from lth_bench.analysis.measures import Measure
from lth_bench.analysis.numbers import kept
from lth_bench.analysis.table import Board, Cell, Line, Table
from lth_bench.errors import NothingSelected
from lth_bench.store.schema import quoted
from lth_bench.system.text import printable

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection

SQL = """
    WITH tickets AS (
        SELECT
            f.cell, f.seed, f.status, f.value, f.test_examples,
            is_collapsed(f.empty_layers, f.effective_density) AS collapsed
        FROM scored({metric}) f
        WHERE f.target_density < 1 AND {where}
    ),
    -- of each label, control, target and density, the tickets found on the target itself
    own AS (
        SELECT c.task, c.label, c.control, c.target_density, x.seed, x.value
        FROM tickets x JOIN cells c ON c.cell = x.cell JOIN tasks t ON t.task = c.task
        WHERE x.status = 'ok' AND (c.source_model, c.source_dataset, c.source_recipe)
            = (t.model, t.dataset, t.recipe)
    ),
    grouped AS (
        SELECT
            x.cell, count(*) AS planned,
            count(x.value) FILTER (x.status = 'ok') AS n,
            count(*) FILTER (is_lost(x.status)) AS lost,
            avg(x.value) FILTER (x.status = 'ok') AS mean,
            stddev_samp(x.value) FILTER (x.status = 'ok') AS deviation,
            count(x.value - o.value) FILTER (x.status = 'ok') AS difference_n,
            avg(x.value - o.value) FILTER (x.status = 'ok') AS difference,
            stddev_samp(x.value - o.value) FILTER (x.status = 'ok') AS difference_deviation,
            count(*) FILTER (x.status = 'ok' AND x.collapsed) AS collapsed,
            min(x.test_examples) FILTER (x.status = 'ok') AS test_examples
        FROM tickets x
        JOIN cells c ON c.cell = x.cell
        LEFT JOIN own o
            ON o.task = c.task AND o.label = c.label AND o.control = c.control
            AND o.target_density = c.target_density AND o.seed = x.seed
        GROUP BY x.cell
    ),
    -- a deviation counts as half of the distance of two values at least, as on every board
    summed AS (
        SELECT
            g.* EXCLUDE (deviation, difference_deviation),
            half_width(q.t, greatest(g.deviation, s.step), g.n) AS half,
            half_width(dq.t, greatest(g.difference_deviation, s.step), g.difference_n)
                AS difference_half
        FROM grouped g
        JOIN (
            SELECT g.cell, half_step(judged_by({metric}, t.metric), g.test_examples) AS step
            FROM grouped g JOIN cells c ON c.cell = g.cell JOIN tasks t ON t.task = c.task
        ) s ON s.cell = g.cell
        LEFT JOIN t_quantiles q ON q.df = g.n - 1
        LEFT JOIN t_quantiles dq ON dq.df = g.difference_n - 1
    )
    SELECT
        {task}, {label}, c.target_density, g.n, g.mean,
        g.mean - g.half AS low, g.mean + g.half AS high, g.difference,
        g.difference - g.difference_half AS difference_low,
        g.difference + g.difference_half AS difference_high,
        g.difference_n, g.planned, g.lost, g.collapsed
    FROM summed g
    JOIN cells c ON c.cell = g.cell
    JOIN tasks t ON t.task = c.task
    ORDER BY t.suite, c.label, c.control <> 'none', c.control, c.target_density DESC,
        c.source_model, c.source_dataset, c.source_recipe, t.model, t.dataset, t.recipe
"""

LEGEND = (
    "Rows: the task a ticket was found on; columns: the task it was trained on; names are the "
    "parts in which the tasks differ. A cell: mean {metric} over the seeds, and in brackets the "
    "mean difference, seed by seed, to the tickets that were found on the column's own task, with "
    "its 95% t-interval where there is room; {direction}. ‡: seeds that failed are in no mean. "
    "†: seeds with layer collapse. Intervals and numbers of seeds: --format json."
)

TaskParts = tuple[str, str, str]
"""Model, dataset and recipe."""


def board(con: DuckDBPyConnection, scope: BoardScope, measure: Measure) -> Board:
    """The grids of labels and controls with transferred tickets; NothingSelected without any."""
    found: list[BoardRow] = []
    tables: list[Table] = []
    for _, of_suite in groupby(transferred(con, scope, measure), key=lambda row: row["suite"]):
        of_label: dict[tuple[str, str], list[list[BoardRow]]] = {}
        for group in linked(list(of_suite)):
            for who, members in groupby(group, key=lambda row: (row["label"], row["control"])):
                of_label.setdefault(who, []).append(list(members))
        for groups in of_label.values():
            for part in groups:
                found += part
                for _, at in groupby(part, key=lambda row: row["target_density"]):
                    tables.append(grid(list(at), measure))
    if not found:
        raise NothingSelected(
            "no ticket was transferred to another task; a suite's task says with `sources` whose "
            "tickets it trains too"
        )
    unit = f" in {measure.value_unit}" if measure.value_unit else ""
    legend = LEGEND.format(metric=measure.words + unit, direction=measure.direction)
    return Board("leaderboard", found, tables, legend)


def transferred(con: DuckDBPyConnection, scope: BoardScope, measure: Measure) -> list[BoardRow]:
    """A row for every source, target, label, control and density of those labels and controls
    that have a ticket from another task; by suite, label, control and density.
    """
    sql = SQL.format(metric=quoted(measure.name), where=scope.where("f"), task=TASK, label=LABEL)
    rows = fetch(con, sql, scope.parameters)
    found: list[BoardRow] = []
    for _, group in groupby(rows, key=lambda row: (row["suite"], row["label"], row["control"])):
        members = list(group)
        if any(source(row) != target(row) for row in members):
            found += members
    return found


def linked(rows: Sequence[BoardRow]) -> list[list[BoardRow]]:
    """One suite's rows, apart where no ticket goes from the tasks of one part to those of another:
    each part fills a grid of its own. A task that no ticket enters or leaves is in none.
    """
    part: dict[TaskParts, set[TaskParts]] = {}
    for row in rows:
        joined = {source(row), target(row)}.union(
            *(part[task] for task in (source(row), target(row)) if task in part)
        )
        part.update(dict.fromkeys(joined, joined))
    grids: dict[int, list[BoardRow]] = {}
    for row in rows:
        if len(part[target(row)]) > 1:
            grids.setdefault(id(part[target(row)]), []).append(row)
    return list(grids.values())


def source(row: BoardRow) -> TaskParts:
    """The task that a row's tickets were found on."""
    return (row["source_model"], row["source_dataset"], row["source_recipe"])


def target(row: BoardRow) -> TaskParts:
    """The task that they were trained on."""
    return (row["model"], row["dataset"], row["recipe"])


def sides(rows: Sequence[BoardRow]) -> tuple[list[TaskParts], list[TaskParts]]:
    """The sources and the targets of a grid, each once."""
    sources, targets = (list(dict.fromkeys(map(side, rows))) for side in (source, target))
    return sources, targets


def grid(rows: Sequence[BoardRow], measure: Measure) -> Table:
    """One label's table at one density."""
    first = rows[0]
    sources, targets = sides(rows)
    names = short_names([*sources, *targets])
    at = {(source(row), target(row)): row for row in rows}
    lines: list[Line] = [
        (
            Cell(names[there], "strong"),
            *(cell(at.get((there, here)), measure) for here in targets),
        )
        for there in sources
    ]
    control = "" if first["control"] == "none" else f"/{first['control']}"
    title = f"{first['label']}{control} at {kept(first['target_density'])}% of the weights"
    return Table(
        header=("found on", *(names[here] for here in targets)),
        blocks=[lines],
        title=printable(title),
        group=printable(str(first["suite"])),
    )


def marks(*, collapsed: int, lost: int) -> str:
    """What stands behind a value of which seeds have a collapsed layer, or failed."""
    return MARK * bool(collapsed) + LOST_MARK * bool(lost)


def cell(row: BoardRow | None, measure: Measure) -> Cell:
    """The mean, and its difference to the target's own tickets."""
    if row is None:
        return Cell("")
    marked = marks(collapsed=row["collapsed"], lost=row["lost"])
    if row["mean"] is None:
        return Cell(f"–{marked}", "dim")
    mean = measure.value(row["mean"]) + marked
    if source(row) == target(row):
        return Cell(mean, "dense")
    if row["difference"] is None:
        return Cell(mean)
    both = measure.difference_with_half(row["difference"], row["difference_high"])
    return Cell(f"{mean} ({both})", short=f"{mean} ({measure.difference(row['difference'])})")


def short_names(tasks: Sequence[TaskParts]) -> dict[TaskParts, str]:
    """Each task's name by the parts in which some of them differ; all parts of a single one."""
    differ = [len({task[i] for task in tasks}) > 1 for i in range(3)]
    return {
        task: printable(
            "/".join(x for x, d in zip(task, differ, strict=True) if d or not any(differ))
        )
        for task in tasks
    }
