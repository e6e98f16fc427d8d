"""The leaderboard as a pandas frame that Jupyter shows with its intervals drawn."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import pandas

from lth_bench.analysis.measures import Measure, measure
from lth_bench.analysis.numbers import ratio
from lth_bench.analysis.samples import display_name
from lth_bench.analysis.table import Cell
from lth_bench.output.interval import IntervalScale
from lth_bench.output.page.content import Column, Grid, GridRow, Part, Prose
from lth_bench.output.page.render import fragment
from lth_bench.output.page.sections.answer import drawn_cell, scale_over
from lth_bench.output.words import counted, remaining

TASK = ["suite", "model", "dataset", "recipe"]
NEEDED = {*TASK, "target_density", "strategy", "label", "control", "metric", "n", "mean", "high",
          "rank", "delta_dense", "delta_low", "delta_high", "flops_masked_ratio"}  # fmt: skip
"""Columns without which it is shown as any other frame."""
COLUMNS = (
    Column("density %", "weights kept"),
    Column("#", "place by the mean"),
    Column("method", numeric=False),
    Column("mean ±", "over the seeds, with half of its 95% t-interval"),
    Column("Δ dense", "mean difference to the dense run, seed by seed"),
    Column("better →", "the difference with its 95% t-interval", numeric=False),
    Column("n", "seeds"),
    Column("cost", "FLOPs of search and training, if pruned weights cost nothing, × dense"),
)


class LeaderboardFrame(pandas.DataFrame):
    """Rows of the view `leaderboard`. What is selected from it is shown in the same way."""

    @property
    def _constructor(self) -> Callable[..., LeaderboardFrame]:
        return LeaderboardFrame

    def _repr_html_(self) -> str | None:
        """A table a task; as pandas shows it where columns are missing."""
        if self.empty or not {*self.columns} >= NEEDED:
            html: str | None = pandas.DataFrame(self)._repr_html_()  # type: ignore[operator]
            return html
        most = int(pandas.get_option("display.max_rows") or len(self))
        shown = self.head(most)
        parts: list[Part] = [_table(key, rows) for key, rows in shown.groupby(TASK, sort=False)]
        if len(self) > most:
            parts.append(Prose([f"and {counted(len(self) - most, 'more row')}"], "quiet"))
        return fragment(parts)


def _table(key: Any, rows: pandas.DataFrame) -> Grid:
    suite, *task = key
    records = [_row(record) for record in rows.to_dict("records")]
    known = measure(records[0]["metric"])
    scale = scale_over(known, [row for row in records if not row["dense"]])
    lines = [
        _line(row, known, scale, first=before is not None and row["density"] != before["density"])
        for row, before in zip(records, [None, *records], strict=False)
    ]
    caption = f"{suite} · {' · '.join(task)} · {known.words}, {known.direction}"
    return Grid(caption=caption, columns=COLUMNS, rows=lines, head=2)


def _row(record: Mapping[Any, Any]) -> dict[str, Any]:
    """What is shown of a row; None where there is no value."""
    known = {str(k): None if pandas.isna(value) else value for k, value in record.items()}
    return {
        "density": known["target_density"],
        "dense": known["strategy"] == "dense",
        "rank": known["rank"],
        "name": display_name(str(known["label"]), str(known["control"]), ""),
        "metric": known["metric"],
        "mean": known["mean"],
        "high": known["high"],
        "difference": known["delta_dense"],
        "difference_low": known["delta_low"],
        "difference_high": known["delta_high"],
        "margin": None,
        "n": known["n"],
        "cost": known["flops_masked_ratio"],
    }


def _line(
    row: Mapping[str, Any], known: Measure, scale: IntervalScale | None, *, first: bool
) -> GridRow:
    compared = not row["dense"] and row["difference"] is not None
    cells = (
        Cell(remaining(row["density"])),
        Cell("" if row["rank"] is None else str(row["rank"])),
        Cell(row["name"], "best" if row["rank"] == 1 else ""),
        Cell("–" if row["mean"] is None else known.with_half(row["mean"], row["high"])),
        Cell(known.difference(row["difference"]) if compared else ""),
        drawn_cell(dict(row), scale) if compared else Cell(""),
        Cell(str(row["n"])),
        Cell("" if row["cost"] is None else f"{ratio(row['cost'])}×"),
    )
    return GridRow(cells, first=first, style="dense" if row["dense"] else "")
