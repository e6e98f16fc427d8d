"""The rule on seeds, where they were added until decided and so differ by design."""

from __future__ import annotations

import runpy
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from lth_bench.maintenance.verify.rules import broken
from lth_bench.store import fold
from lth_bench.store.database import open_safe

RECORDS = runpy.run_path(str(Path(__file__).parents[2] / "store" / "records.py"))
Scenario: Any = RECORDS["Scenario"]


@dataclass
class Added(Scenario):  # type: ignore[misc]
    """IMP stopped at three seeds; the others went on to five."""

    stop: str | None = "decided"
    """Of the look at IMP's densities."""
    without: tuple[str, int] = ("", 0)
    """A label and seed that were not run."""
    adaptive: bool = True

    def run(self) -> dict[str, Any]:
        rule = {"decide": {"margin": None, "max_seeds": 8}} if self.adaptive else {}
        return {**super().run(), **rule}

    def experiments(self) -> list[dict[str, Any]]:
        return [
            e
            for e in super().experiments()
            if (e["label"] != "imp" or e["seed"] < 3) and (e["label"], e["seed"]) != self.without
        ]

    def records(self) -> Iterator[dict[str, Any]]:
        yield from super().records()
        imp = next(e for e in self.experiments() if e["label"] == "imp")
        names = ("suite", "model", "dataset", "recipe", "label")
        for density in self.densities:
            look = {"n": 3, "verdict": "open", "stop": self.stop, "difference": 0.0,
                    "deviation": 0.1, "p": 1.0, "p_equivalent": 0.5, "margin": 0.005,
                    "max_seeds": 8, "baseline": "dense", "metric": "test_accuracy"}  # fmt: skip
            yield {"record": "look", "run_id": self.run_id, "target_density": density,
                   "look": look, **{name: imp[name] for name in names}}  # fmt: skip


@pytest.fixture
def told(tmp_path: Path) -> Callable[..., list[str]]:
    """What the rule on seeds says of a scenario."""

    def go(**changes: Any) -> list[str]:
        made = Added(suite="mine", seeds=tuple(range(5)), strategies=("dense", "imp"), **changes)
        paths = RECORDS["write"](tmp_path / f"{len(list(tmp_path.iterdir()))}.duckdb", made)
        fold(paths)
        with open_safe(paths) as con:
            return [one.message for one in broken(con) if one.rule == "seeds"]

    return go


def test_unequal_seeds_are_by_design_where_they_were_added(told: Callable[..., list[str]]) -> None:
    assert told() == []
    (fixed,) = told(adaptive=False)
    assert fixed == "mine: imp on mlp/digits/mlp lacks seeds that others have: 3, 4"


def test_a_gap_or_a_comparison_on_its_way_is_not(told: Callable[..., list[str]]) -> None:
    (gap,) = told(without=("dense", 2))
    assert gap.startswith("mine: dense on mlp/digits/mlp lacks seeds before its last")
    (open_,) = told(stop=None)
    assert open_.startswith("mine: imp on mlp/digits/mlp has 2 comparisons that need more seeds")
    (few,) = told(without=("imp", 2))
    assert few.startswith("mine: imp on mlp/digits/mlp has 2 seeds, and 3 are the fewest with")
