from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import duckdb
import pytest

from lth_bench.store import schema


@pytest.fixture(scope="session")
def empty() -> Iterator[Any]:
    """A database in memory, made once: its schema takes longer than a test."""
    with duckdb.connect() as con:
        schema.create(con)
        yield con


@pytest.fixture
def by_hand(empty) -> Iterator[Callable[..., Any]]:
    """`by_hand(rows, **tables)`: a database in memory with these rows of `flat`, each a dict of
    label, density, seed and whatever else, of one task; a ticket's id is LABEL-SEED. Rows of the
    other tables are tuples, whose last columns may be left out.
    """
    con = empty
    con.execute("BEGIN")

    def make(rows: list[dict[str, Any]], **tables: list[tuple[Any, ...]]) -> Any:
        con.execute("INSERT INTO tasks VALUES (1, 'suite', 'm', 'd', 'r', 'test_accuracy')")
        cells: list[tuple[Any, ...]] = []
        for row in rows:
            cell = (row["label"], row["density"], row.get("control", "none"))
            if cell not in cells:
                cells.append(cell)
                strategy = "dense" if row["label"] == "dense" else "any"
                source = row.get("source", ("m", "d", "r"))
                con.execute(
                    "INSERT INTO cells VALUES (?, 1, ?, ?, ?, ?, ?, ?, ?, NULL, NULL)",
                    [len(cells), *source, row["density"], strategy, row["label"], cell[2]],
                )
            known = {
                "cell": cells.index(cell) + 1, "task": 1, "suite": "suite", "model": "m",
                "dataset": "d", "recipe": "r", "label": row["label"], "seed": row["seed"],
                "strategy": "dense" if row["label"] == "dense" else "any",
                "target_density": row["density"], "density": row["density"],
                "control": cell[2], "status": "ok", "ticket_id": f"{row['label']}-{row['seed']}",
                "metric": "test_accuracy", "higher_is_better": True,
                "score": row.get("test_accuracy"),
                "early_stop_score": row.get("early_stop_accuracy"),
            }  # fmt: skip
            extra = {k: v for k, v in row.items() if k not in ("label", "density", "source")}
            fields = known | extra
            con.execute(
                f"INSERT INTO flat ({', '.join(fields)}) VALUES ({', '.join('?' * len(fields))})",
                list(fields.values()),
            )
        for table, lines in tables.items():
            names = con.table(table).columns
            for line in lines:
                columns, marks = ", ".join(names[: len(line)]), ", ".join("?" * len(line))
                con.execute(f"INSERT INTO {table} ({columns}) VALUES ({marks})", line)
        return con

    yield make
    con.execute("ROLLBACK")
