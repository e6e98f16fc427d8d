from __future__ import annotations

import runpy
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from lth_bench.store import Paths

RECORDS = runpy.run_path(str(Path(__file__).with_name("records.py")))


@pytest.fixture
def make_scenario() -> Callable[..., Any]:
    """`Scenario(...)` of records.py."""
    return RECORDS["Scenario"]  # type: ignore[no-any-return]


@pytest.fixture
def write(tmp_path: Path) -> Callable[..., Paths]:
    """`write(*scenarios)`: their journal, nothing folded yet."""
    return lambda *scenarios: RECORDS["write"](tmp_path / "results.duckdb", *scenarios)
