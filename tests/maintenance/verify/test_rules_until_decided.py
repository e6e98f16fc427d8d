"""The rule on seeds, where they were added until decided and so differ by design."""

from __future__ import annotations

import runpy
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from lth_bench.maintenance.verify.rules import broken
from lth_bench.store import fold
from lth_bench.store.database import open_safe

RECORDS = runpy.run_path(str(Path(__file__).parents[2] / "store" / "records.py"))


@pytest.fixture
def told(tmp_path: Path) -> Callable[..., list[str]]:
    """What a rule, by default that on seeds, says of a scenario."""

    def go(rule: str = "seeds", **changes: Any) -> list[str]:
        made = RECORDS["UntilDecided"](suite="mine", **changes)
        paths = RECORDS["write"](tmp_path / f"{len(list(tmp_path.iterdir()))}.duckdb", made)
        fold(paths)
        with open_safe(paths) as con:
            return [one.message for one in broken(con) if one.rule == rule]

    return go


def test_unequal_seeds_are_by_design_where_they_were_added(told: Callable[..., list[str]]) -> None:
    assert told() == []
    (fixed,) = told(adaptive=False)
    assert fixed == "mine: imp on mlp/digits/mlp lacks seeds that others have: 3, 4"


def test_a_gap_or_a_comparison_on_its_way_is_not(told: Callable[..., list[str]]) -> None:
    (gap,) = told(without=("dense", 2))
    assert gap.startswith("mine: dense on mlp/digits/mlp lacks seeds before its last")
    (open_,) = told(stopped={"imp": (3, 3, None)})
    assert open_.startswith("mine: imp on mlp/digits/mlp has 2 comparisons that need more seeds")
    (few,) = told(without=("imp", 2))
    assert few.startswith("mine: imp on mlp/digits/mlp has 2 seeds, and 3 are the fewest with")


OOM = {("imp", 1): ("oom", "no room")}


@pytest.mark.parametrize("outcomes", [OOM, {("dense", 1): ("timeout", "10 min")}])
@pytest.mark.parametrize("why", ["decided", "futile"])
def test_a_seed_that_a_verdict_was_reached_without_is_not_missing(
    told: Callable[..., list[str]], outcomes: Any, why: str
) -> None:
    """No rerun would give it: `run --retry` leaves it, since every later pair would move."""
    assert told("complete", outcomes=outcomes, stopped={"imp": (4, 3, why)}) == []


@pytest.mark.parametrize(
    ("outcomes", "stopped"),
    [
        (OOM, (8, 7, "maximum")),  # no verdict that stands
        (OOM, (3, 2, None)),  # on its way
        ({("imp", 3): ("oom", "no room")}, (4, 3, "decided")),  # after the last pair
    ],
)
def test_any_other_is_and_a_retry_is_named(
    told: Callable[..., list[str]], outcomes: Any, stopped: Any
) -> None:
    assert told("complete", outcomes=outcomes, stopped={"imp": stopped}) == [
        "mine: 2 rows are oom; rerun the suite with --retry oom"
    ]


def test_rows_at_a_fixed_number_of_seeds_are_retried(told: Callable[..., list[str]]) -> None:
    found = told("complete", outcomes={**OOM, ("dense", 4): ("interrupted", "")}, adaptive=False,
                 stopped={})  # fmt: skip
    assert found == [
        "mine: 1 rows are interrupted; rerun the suite, which does what is left",
        "mine: 2 rows are oom; rerun the suite with --retry oom",
    ]


def test_old_looks_excuse_nothing_where_the_last_run_had_fixed_seeds(
    told: Callable[..., list[str]],
) -> None:
    stopped = {"imp": (4, 3, "decided")}
    assert told("complete", outcomes=OOM, adaptive=False, stopped=stopped) == [
        "mine: 2 rows are oom; rerun the suite with --retry oom"
    ]
