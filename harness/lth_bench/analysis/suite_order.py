"""The order in which a suite names its tasks and methods: that of every table, card and figure.

It is read from the suite's file as it was last run, which is in the database. What the file does
not name, as after `merge` or where another version of lth-bench wrote it, comes after the rest, by
name.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

from lth_bench.errors import UserError
from lth_bench.suite.load import suite_of

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection

T = TypeVar("T")
NamesOfTask = tuple[str, ...]
"""Model, dataset and recipe, by their names in the suite."""


@dataclass(frozen=True)
class SuiteOrder:
    """Places from 0 on."""

    tasks: Mapping[NamesOfTask, int] = field(default_factory=dict)
    labels: Mapping[str, int] = field(default_factory=dict)

    def of_task(self, task: Sequence[str]) -> tuple[int, NamesOfTask]:
        """What tasks are sorted by."""
        key = tuple(task)
        return self.tasks.get(key, len(self.tasks)), key

    def of_label(self, label: str) -> tuple[int, str]:
        """What methods are sorted by."""
        return self.labels.get(label, len(self.labels)), label


UNKNOWN = SuiteOrder()
"""By name alone."""


def suite_orders(con: DuckDBPyConnection, suites: Sequence[str] = ()) -> dict[str, SuiteOrder]:
    """By suite (default: of all that are recorded)."""
    rows = con.execute(
        """
        SELECT s.suite, s.suite_toml, e.overrides
        FROM suites s LEFT JOIN environments e ON e.run_id = s.run_id
        WHERE len(?) = 0 OR list_contains(?::VARCHAR[], s.suite)
        """,
        [list(suites), list(suites)],
    ).fetchall()
    return {suite: order_in(text or "", tuple(given or ())) for suite, text, given in rows}


@lru_cache(maxsize=256)
def order_in(text: str, overrides: tuple[str, ...] = ()) -> SuiteOrder:
    """The order in a suite's TOML with its `--set`; UNKNOWN where it cannot be read."""
    try:
        read = suite_of(text, Path("suite.toml"), overrides)
    except UserError:
        return UNKNOWN
    tasks = [
        (task.model.label, task.dataset.label, task.recipe_name)
        for whole in read.tasks
        for task in (whole, *(source.task for source in whole.sources))
    ]
    labels = [strategy.label for strategy in read.strategies]
    return SuiteOrder(_places(tasks), _places(labels))


def _places(items: Sequence[T]) -> dict[T, int]:
    return {item: place for place, item in enumerate(dict.fromkeys(items))}
