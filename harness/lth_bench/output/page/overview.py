"""What stands above the suites: a line for every task."""

from __future__ import annotations

from collections.abc import Sequence

from lth_bench.analysis.numbers import percent
from lth_bench.analysis.table import Cell
from lth_bench.output.page.content import Column, Grid, Part, Row
from lth_bench.output.page.known import SuiteKnown
from lth_bench.output.page.words import left


def overview(suites: Sequence[SuiteKnown]) -> tuple[Part, ...]:
    """A line a task. Empty where there is one task only, whose own summary says it all."""
    if sum(len(suite.tasks) for suite in suites) < 2:
        return ()
    rows = []
    for suite in suites:
        for index, known in enumerate(suite.tasks):
            tickets = [s for s in known.standings if s.is_ticket]
            ok = sum(s.row["n"] for s in known.standings)
            planned = sum(s.row["planned"] for s in known.standings)
            dense = known.dense
            mean = None if dense is None else dense.row["mean"]
            densities = known.densities
            cells = (
                Cell(suite.name),
                Cell(known.place.task.title),
                Cell(str(len({s.name for s in tickets}))),
                Cell(", ".join(left(d) for d in _ends(densities))),
                Cell(str(max((s.sample.planned for s in known.standings), default=0))),
                Cell("" if mean is None else percent(mean)),
                Cell(f"{ok:,}" if ok == planned else f"{ok:,}/{planned:,}",
                     "" if ok == planned else "warn"),
            )  # fmt: skip
            rows.append(Row(cells, first=index == 0))
    columns = (
        Column("suite", numeric=False),
        Column("task", numeric=False),
        Column("methods"),
        Column("left %", numeric=False),
        Column("seeds"),
        Column("dense %", "test accuracy of the dense run"),
        Column("results"),
    )
    return (Grid("Suites and tasks", columns, rows, head=1),)


def _ends(densities: Sequence[float]) -> list[float]:
    """Few densities as they are, many as the first and the last."""
    return list(densities) if len(densities) <= 6 else [densities[0], densities[-1]]
