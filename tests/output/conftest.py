from __future__ import annotations

import runpy
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest

from lth_bench.store import fold
from lth_bench.store.database import open_safe

RECORDS = runpy.run_path(str(Path(__file__).parents[1] / "store" / "records.py"))


@pytest.fixture
def results(tmp_path: Path) -> Iterator[Callable[..., Any]]:
    """`results(**scenario)`: a connection to what a run of that scenario has written.

    `searches` are studies of tuning beside it, as `search` makes them; `alone` leaves the run out.
    """
    opened = []

    def make(searches: Sequence[Any] = (), alone: bool = False, **options: Any) -> Any:
        scenarios = [] if alone else [RECORDS["Scenario"](**options)]
        paths = RECORDS["write"](tmp_path / "results.duckdb", *scenarios, *searches)
        fold(paths)
        opened.append(open_safe(paths))
        return opened[-1]

    yield make
    for con in opened:
        con.close()


@pytest.fixture
def search() -> Callable[..., Any]:
    """`search(**options)`: `Search(...)` of records.py."""
    made: Callable[..., Any] = RECORDS["Search"]
    return made
