"""On boards of a time that some seeds never reached: how many did, and verdicts by order.

The board by the metric itself ranks by the mean within the budget and judges by order; across tasks
only ranks are compared. An area, a match and a cost are computed from the values, which are unknown
beyond the budget: those boards are refused.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from lth_bench.analysis.boards.baseline import Baselines
from lth_bench.analysis.boards.rows import BoardRow, full_name
from lth_bench.analysis.boards.scope import BoardScope, SuiteTask
from lth_bench.analysis.censored import any_censored, signs
from lth_bench.analysis.measures import Measure
from lth_bench.analysis.numbers import kept
from lth_bench.analysis.samples import Sample, samples
from lth_bench.errors import UserError
from lth_bench.store.metric import CENSORED

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection

LEGEND = (
    " Seeds that never got there count with the budget, the last step of their training: means "
    "with ≥ are lower bounds, ranks go by the mean within the budget, and verdicts on such rows by "
    "the sign test over the seeds whose order is known (at least six must agree)."
)

ACROSS = (
    " Trainings that never got there count with their budget, the last step: differences are not "
    "known, and only ranks are compared."
)

Key = tuple[object, ...]


def never_reached(con: DuckDBPyConnection, scope: BoardScope, measure: Measure) -> list[Sample]:
    """The cells of a scope in which some seed never got there; of other metrics none."""
    if measure.name not in CENSORED:
        return []
    kept = scope.filters
    return [
        s
        for s in samples(con, metric=measure.name, suites=scope.suites)
        if any_censored([s])
        and SuiteTask(s.suite, s.model, s.dataset, s.recipe) in scope.tasks.values()
        and (s.strategy == "dense" or s.target_density in kept.get("densities", [s.target_density]))
        and s.control in kept.get("controls", [s.control])
    ]


def require_times(
    con: DuckDBPyConnection, scope: BoardScope, measure: Measure, by: str, across: bool
) -> None:
    """UserError for a board that computes with times, if some of them were never reached."""
    lacking = never_reached(con, scope, measure)
    if not lacking:
        return
    seeds = sum(len(s.censored) for s in lacking)
    trainings = f"{seeds} trainings" if seeds > 1 else "1 training"
    where = ", ".join(dict.fromkeys(f"{s.name} at {kept(s.target_density)}%" for s in lacking[:3]))
    more = ", …" if len(lacking) > 3 else ""
    raise UserError(
        f"--by {by} computes with the values of {measure.name}, but {trainings} never generalised "
        f"within the budget ({where}{more}), so their values are not known; leave out --by: the "
        f"board by {measure.name} ranks them last and judges by the order of the seeds"
        + (", and with --across by ranks" if across else "")
    )


def add_censoring(
    con: DuckDBPyConnection, rows: list[BoardRow], against: Baselines, measure: Measure
) -> None:
    """Set `censored`, the seeds of a row that never got there, and `signs` where the row or its
    baseline has any: by seed +1 where the row was earlier. Of other metrics neither.
    """
    if measure.name not in CENSORED:
        return
    there: dict[Key, Sample] = {}
    suites = sorted({row["suite"] for row in rows})
    for s in samples(con, metric=measure.name, suites=suites):
        task = (s.suite, s.model, s.dataset, s.recipe)
        there[*task, s.source, s.label, s.control, s.target_density] = s
        if s.strategy == "dense" and s.label == against.references.get(task, s.label):
            there[*task, "dense"] = s
    for row in rows:
        task = tuple(row[k] for k in ("suite", "model", "dataset", "recipe"))
        origin = "/".join(row[k] for k in ("source_model", "source_dataset", "source_recipe"))
        density = row["target_density"]
        mine = there.get((*task, origin, row["label"], row["control"], density))
        row["censored"] = 0 if mine is None else len(mine.censored)
        base = against.of[row["suite"]]
        if mine is None or base is None or against.has(row):
            continue
        own = (*task, "/".join(map(str, task[1:])), base.label, base.control)
        unpruned = (*task, "dense") if base.dense else (*own, 1.0)
        other = there.get((*own, density)) or there.get(unpruned)
        if other is not None:
            row["signs"] = signs([mine], [other])


def bounded(text: str, row: BoardRow) -> str:
    """A row's mean, marked as a lower bound where some seeds never got there: `≥ 40`."""
    return f"≥ {text}" if row.get("censored") else text


def counted(rows: Sequence[BoardRow]) -> list[str]:
    """Below a table: how many seeds got there, of the rows where not all did."""
    lacking = [row for row in rows if row.get("censored")]
    if not lacking:
        return []
    said = [
        f"{full_name(row)} at {kept(row['target_density'])}%: "
        f"{row['n'] - row['censored']} of {row['n']}"
        for row in lacking
    ]
    return [f"generalised within the budget: {'; '.join(said)}; all others on every seed"]
