"""On the board of a time that some seeds never reached: how many did, and verdicts by order."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from lth_bench.analysis.boards.baseline import Baselines
from lth_bench.analysis.boards.rows import BoardRow, full_name
from lth_bench.analysis.censored import signs
from lth_bench.analysis.measures import Measure
from lth_bench.analysis.numbers import kept
from lth_bench.analysis.samples import Sample, samples
from lth_bench.store.metric import CENSORED

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection

LEGEND = (
    " Seeds that never got there count with the budget, the last step of their training: means "
    "with ≥ are lower bounds, ranks go by the mean within the budget, and verdicts on such rows by "
    "the sign test over the seeds whose order is known (at least six must agree)."
)

Key = tuple[object, ...]


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
        if s.strategy == "dense":
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
        own = (*task, "/".join(map(str, task[1:])), base.label, base.control, density)
        other = there.get((*task, "dense") if base.dense else own)
        if other is not None:
            row["signs"] = signs([mine], [other])


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
