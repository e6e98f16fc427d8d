from __future__ import annotations

import runpy
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from lth_bench.store import fold
from lth_bench.store.database import open_safe
from lth_bench.store.trials import Study, read_studies

RECORDS = runpy.run_path(str(Path(__file__).parents[2] / "store" / "records.py"))


@pytest.fixture(scope="session")
def study(tmp_path_factory: pytest.TempPathFactory) -> Callable[..., Study]:
    """`study(**options)`: a study of tuning, as the database has it; the same one is made once."""
    known: dict[str, Study] = {}

    def make(**options: Any) -> Study:
        key = repr(options)
        if key not in known:
            folder = tmp_path_factory.mktemp("study")
            paths = RECORDS["write"](folder / "results.duckdb", RECORDS["Search"](**options))
            fold(paths)
            with open_safe(paths) as con:
                (known[key],) = read_studies(con)
        return known[key]

    return make
