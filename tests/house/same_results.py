"""Do two databases hold the same results? `python tests/house/same_results.py BEFORE AFTER`.

For a change that is to change nothing: the same suite is run before and after, and everything that
does not tell the time or the place is compared: accuracies, masks (kept weights of each layer, the
histograms of those that survive, the content addresses of the trainings), costs, verdicts, tuning's
trials. Prints a line a table; the exit code is 1 where something differs.
"""

from __future__ import annotations

import math
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import duckdb

TICKET = ["suite", "model", "dataset", "recipe", "source_model", "source_dataset", "source_recipe"]
CELL = [*TICKET, "label", "target_density", "control"]
VOLATILE = (
    "seconds", "recorded_at", "run_id", "journal_order", "experiment_id", "ticket_id", "config_id",
    "worker", "device", "torch", "source_hash", "peak_memory", "study_id", "origin",
)  # fmt: skip
"""Columns that hold times, places and names; `seconds` also at the end of a column's name."""


@dataclass(frozen=True)
class Compared:
    """What is compared of one table or view: rows found again by `key`."""

    name: str
    key: Sequence[str]
    source: str = ""
    """SQL that gives the rows; the table by default."""


WHOSE = f"SELECT {', '.join((*CELL, 'seed'))}, "
FROM = "FROM tickets_flat JOIN"
TABLES = [
    Compared("tickets_flat", [*CELL, "seed"]),
    Compared("leaderboard", CELL),
    Compared("paired", [*CELL, "seed", "versus"]),
    Compared("matching", [*TICKET, "label", "control"]),
    Compared("cost", CELL),
    Compared("convergence", CELL),
    Compared("pareto", [*TICKET, "label", "target_density"]),
    Compared("failures", [*TICKET[:4], "label", "seed", "target_density", "control"]),
    Compared(
        "layers", [*CELL, "seed", "layer"],
        f"{WHOSE} layer, kind, total, kept {FROM} layers USING (ticket_id)",
    ),
    Compared(
        "weights", [*CELL, "seed", "layer", "moment"],
        f"{WHOSE} layer, moment, reach, counts {FROM} weights USING (ticket_id)",
    ),
    Compared(
        "metrics", [*CELL, "seed", "metric"],
        f"{WHOSE} m.metric, value {FROM} metrics m USING (ticket_id) "
        "WHERE NOT m.metric LIKE '%seconds'",
    ),
    Compared(
        "examples that are right", [*CELL, "seed", "metric"],
        f"{WHOSE} a.metric, bits {FROM} answers a USING (ticket_id)",
    ),
    Compared(
        "addresses of trainings", [*CELL, "seed", "role"],
        f"{WHOSE} role, list(key ORDER BY key) AS keys {FROM} ticket_trainings USING (ticket_id) "
        "GROUP BY ALL",
    ),
    Compared(
        "trials", ["suite", "model", "dataset", "recipe", "label", "number"],
        "SELECT * EXCLUDE (tuning_seconds, distributions) FROM trials",
    ),
]  # fmt: skip


def is_volatile(column: str) -> bool:
    """Whether a column may differ between two runs of the same."""
    return column in VOLATILE or column.endswith(("seconds", "_run_id"))


def read(path: str, what: Compared) -> tuple[set[str], dict[tuple[str, ...], dict[str, Any]]]:
    """The columns that are compared, and the rows by their keys."""
    with duckdb.connect(path, read_only=True) as con:
        found = con.execute(what.source or f'SELECT * FROM "{what.name}"')
        columns = [column[0] for column in found.description or ()]
        rows = [dict(zip(columns, row, strict=True)) for row in found.fetchall()]
    kept = {c for c in columns if not is_volatile(c)}
    return kept, {tuple(str(row[k]) for k in what.key): row for row in rows}


def same(a: Any, b: Any) -> bool:
    """Equal; floats up to 1e-9 of them, since DuckDB's threads add in any order."""
    if isinstance(a, float) and isinstance(b, float):
        return math.isclose(a, b, rel_tol=1e-9, abs_tol=1e-12) or (math.isnan(a) and math.isnan(b))
    return bool(a == b)


def compare(before: str, after: str, what: Compared) -> bool:
    """Print how many rows are the same, and the first that are not; whether all are."""
    (had, old), (has, new) = read(before, what), read(after, what)
    columns = sorted(had & has)
    said = [f"only before: {c}" for c in sorted(had - has)]
    said += [f"only after: {c}" for c in sorted(has - had)]
    wrong = [f"missing after: {key}" for key in old if key not in new]
    wrong += [f"new after: {key}" for key in new if key not in old]
    for key in old.keys() & new.keys():
        wrong += [
            f"{'/'.join(key)}: {c} was {old[key][c]}, is {new[key][c]}"
            for c in columns
            if not same(old[key][c], new[key][c])
        ]
    head = f"{what.name}: {len(old)} rows, {len(columns)} columns, {len(wrong)} differences"
    print("\n  ".join([head, *said, *sorted(wrong)[:10]]))
    return not wrong


def main(before: str, after: str) -> int:
    """Compare every table; 1 where something differs."""
    return int(sum(not compare(before, after, what) for what in TABLES) > 0)


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
