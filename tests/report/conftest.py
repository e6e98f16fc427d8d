from __future__ import annotations

import runpy
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from lth_bench.store import fold
from lth_bench.store.database import open_safe

RECORDS = runpy.run_path(str(Path(__file__).parents[1] / "store" / "records.py"))


@pytest.fixture
def results(tmp_path: Path) -> Iterator[Callable[..., Any]]:
    """`results(**scenario)`: a connection to what a run of that scenario has written."""
    opened = []

    def make(**options: Any) -> Any:
        scenario = RECORDS["Scenario"](**options)
        paths = RECORDS["write"](tmp_path / "results.duckdb", scenario)
        fold(paths)
        opened.append(open_safe(paths))
        return opened[-1]

    yield make
    for con in opened:
        con.close()
