"""Databases of synthetic results, for the tests of what reads them."""

from __future__ import annotations

import runpy
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest

RECORDS = Path(__file__).parent / "store" / "records.py"


@pytest.fixture
def results(tmp_path: Path) -> Iterator[Callable[..., Any]]:
    """`results(**scenario)`: a connection to what a run of that scenario has written.

    `searches` are studies of tuning beside it, as `search` makes them; `alone` leaves the run out.
    """
    from lth_bench.store import fold
    from lth_bench.store.database import open_safe

    records = runpy.run_path(str(RECORDS))
    opened = []

    def make(searches: Sequence[Any] = (), alone: bool = False, **options: Any) -> Any:
        scenarios = [] if alone else [records["Scenario"](**options)]
        paths = records["write"](tmp_path / "results.duckdb", *scenarios, *searches)
        fold(paths)
        opened.append(open_safe(paths))
        return opened[-1]

    yield make
    for con in opened:
        con.close()


@pytest.fixture
def search() -> Callable[..., Any]:
    """`search(**options)`: `Search(...)` of records.py."""
    made: Callable[..., Any] = runpy.run_path(str(RECORDS))["Search"]
    return made


@pytest.fixture(scope="session")
def study(tmp_path_factory: pytest.TempPathFactory) -> Callable[..., Any]:
    """`study(**options)`: a study of tuning, as the database has it; the same one is made once."""
    from lth_bench.store import fold
    from lth_bench.store.database import open_safe
    from lth_bench.store.trials import read_studies

    records = runpy.run_path(str(RECORDS))
    known: dict[str, Any] = {}

    def make(**options: Any) -> Any:
        key = repr(options)
        if key not in known:
            folder = tmp_path_factory.mktemp("study")
            paths = records["write"](folder / "results.duckdb", records["Search"](**options))
            fold(paths)
            with open_safe(paths) as con:
                (known[key],) = read_studies(con)
        return known[key]

    return make
