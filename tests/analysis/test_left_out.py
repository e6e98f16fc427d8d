"""Which experiments out of memory or time a decided comparison has left out."""

from __future__ import annotations

import runpy
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from lth_bench.analysis.left_out import left_out
from lth_bench.store import fold
from lth_bench.store.database import open_safe
from lth_bench.store.rows_file import restored
from lth_bench.store.seed_rows import write_rows

RECORDS = runpy.run_path(str(Path(__file__).parents[1] / "store" / "records.py"))
NAMES = "SELECT DISTINCT experiment_id, label, seed FROM flat"


@pytest.fixture
def left(tmp_path: Path) -> Callable[..., set[tuple[str, int]]]:
    """The label and seed of those of a scenario, the same in its database and its rows."""

    def go(**changes: Any) -> set[tuple[str, int]]:
        paths = RECORDS["write"](tmp_path / "x.duckdb", RECORDS["UntilDecided"](**changes))
        fold(paths)
        write_rows(paths.results, "quickstart", tmp_path / "x.parquet", "")
        with restored(tmp_path / "x.parquet") as rows:
            found = []
            for one in (paths, RECORDS["Paths"](rows)):
                with open_safe(one) as con:
                    names = {i: (label, seed) for i, label, seed in con.execute(NAMES).fetchall()}
                    found.append({names[identity] for _, identity in left_out(con)})
        assert found[0] == found[1]
        return found[0]

    return go


def test_a_seed_before_the_last_pair_on_either_side(left: Callable[..., Any]) -> None:
    outcomes = {
        ("imp", 1): ("oom", "x"), ("dense", 2): ("timeout", "x"), ("dense", 7): ("oom", "x"),
    }  # fmt: skip
    found = left(outcomes=outcomes, stopped={"imp": (8, 4, "decided")}, seeds=range(8))
    assert found == {("imp", 1), ("dense", 2)}  # pairs are 0, 3, 4 and 5


def test_the_baseline_may_be_a_label_at_the_same_density(left: Callable[..., Any]) -> None:
    """A seed that it lost is a result, and a pair for no label."""
    found = left(
        strategies=("dense", "imp", "snip"), baseline="snip", seeds=range(6),
        outcomes={
            ("snip", 0): ("oom", "x"), ("snip", 1): ("failed", "x"), ("dense", 0): ("oom", "x"),
        },
        stopped={"imp": (6, 3, "futile")},
    )  # fmt: skip
    assert found == {("snip", 0)}


def test_a_seed_that_the_label_lost_takes_its_place(left: Callable[..., Any]) -> None:
    """It counts as a pair, and so nothing after the third is left out."""
    outcomes = {("imp", 0): ("diverged", "NaN"), ("imp", 3): ("oom", "x")}
    assert left(outcomes=outcomes, stopped={"imp": (5, 3, "decided")}) == set()


def test_a_look_that_does_not_say_at_how_many_pairs_leaves_nothing_out(
    left: Callable[..., Any], tmp_path: Path
) -> None:
    outcomes = {("imp", 0): ("oom", "x")}
    assert left(outcomes=outcomes, stopped={"imp": (5, 3, "decided")}) == {("imp", 0)}
    made = RECORDS["UntilDecided"](outcomes=outcomes, stopped={"imp": (5, None, "decided")})
    paths = RECORDS["write"](tmp_path / "strange.duckdb", made)
    fold(paths)
    with open_safe(paths) as con:
        assert left_out(con) == set()
