"""Real trainings that take the same looks wherever and however many at once they run."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from lth_bench.running.request import RunRequest, prepare_run
from lth_bench.running.runner import run_suite
from lth_bench.store import fold
from lth_bench.store.database import open_safe
from lth_bench.store.paths import Paths

pytestmark = pytest.mark.slow

LOOKS = "SELECT label, n, verdict, stop, difference, p FROM looks ORDER BY ALL"
ROWS = "SELECT label, seed, status, score FROM tickets_flat ORDER BY ALL"


@pytest.fixture(scope="module")
def go(tiny: Path, tmp_path_factory: pytest.TempPathFactory) -> Callable[..., tuple[Any, Any]]:
    def go(**given: Any) -> tuple[Any, Any]:
        results = tmp_path_factory.mktemp("places") / "r.duckdb"
        request = RunRequest.from_arguments(
            suite=tiny, results=results, workers=2, **{"cohort_size": 1, **given}
        )
        assert run_suite(*prepare_run(request), request, lambda event: None).exit_code == 0
        fold(Paths(results))
        with open_safe(Paths(results)) as con:
            return con.execute(LOOKS).fetchall(), con.execute(ROWS).fetchall()

    return go


@pytest.fixture(scope="module")
def here(go: Callable[..., tuple[Any, Any]]) -> tuple[Any, Any]:
    return go()


def test_stacked_cohorts_decide_the_same(go: Callable[..., Any], here: tuple[Any, Any]) -> None:
    looks, rows = go(cohort_size=4)
    assert [look[:4] for look in looks] == [look[:4] for look in here[0]]
    # seeds that were trained ahead have rows, and decide nothing
    assert {row[:2] for row in rows} >= {row[:2] for row in here[1]}


def test_ray_takes_the_same_looks(go: Callable[..., Any], here: tuple[Any, Any]) -> None:
    pytest.importorskip("ray", reason="Ray is not installed")
    assert go(executor="ray") == here
