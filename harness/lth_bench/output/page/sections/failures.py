"""What did not end ok, with the reason."""

from __future__ import annotations

from lth_bench.analysis.table import Cell, Style
from lth_bench.output.page.content import Column, Facet, Grid, Row, Section
from lth_bench.output.page.known import TaskKnown
from lth_bench.output.page.words import left, spans

LONGEST = 2000
"""Characters of a reason that are shown; `lth-bench show ID` has the rest."""

STYLES: dict[str, Style] = {"failed": "bad", "diverged": "bad", "skipped": "dim"}


def failures(known: TaskKnown) -> Section | None:
    """A line for everything that went wrong in one way. None where all went well."""
    found = known.evidence.failures
    if not found:
        return None
    statuses = list(dict.fromkeys(one.status for one in found))
    rows = []
    for one in found:
        reason = one.reason
        if len(reason) > LONGEST:
            reason = f"{reason[:LONGEST]} …"
        cells = (
            Cell(one.name),
            Cell(one.status, STYLES.get(one.status, "warn")),
            Cell(f"{one.rows:,}"),
            Cell(", ".join(left(d) for d in one.densities)),
            Cell(spans(one.seeds)),
            Cell(one.experiment_id[:10]),
            Cell(reason or "no reason was recorded"),
        )
        rows.append(Row(cells, (statuses.index(one.status),)))
    grid = Grid(
        "What did not end ok, and why",
        (
            Column("method", numeric=False),
            Column("status", numeric=False),
            Column("rows", "seeds × densities"),
            Column("left %", numeric=False),
            Column("seeds", numeric=False),
            Column("for example", "an experiment, for `lth-bench show`", numeric=False),
            Column("reason", numeric=False),
        ),
        rows,
        [Facet("status", statuses)] if len(statuses) > 1 else [],
        searched=len(rows) > 5,
        notes=["How failures count is said under How to read this."],
    )
    return Section("failures", "Failures", [grid])
