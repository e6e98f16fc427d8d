"""A method beside reference results: what is paired, what is refused."""

from __future__ import annotations

import runpy
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from lth_bench.analysis.answers import of_difference
from lth_bench.analysis.compare.beside import beside_reference
from lth_bench.analysis.compare.sides import parse
from lth_bench.errors import UserError
from lth_bench.stats import Summary
from lth_bench.store import fold
from lth_bench.store.seed_rows import write_rows

RECORDS = runpy.run_path(str(Path(__file__).parents[2] / "store" / "records.py"))


def results_at(path: Path, records: list[dict[str, Any]]) -> Path:
    from lth_bench.store.journal import encode

    path.with_suffix(".journal.jsonl").write_bytes(b"".join(map(encode, records)))
    paths = RECORDS["Paths"](path)
    fold(paths)
    return path


@pytest.fixture
def shipped(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Reference results of `quickstart`, made for the purpose."""
    folder = tmp_path / "reference"
    folder.mkdir()
    made = results_at(tmp_path / "made.duckdb", list(RECORDS["Scenario"]().records()))
    write_rows(made, "quickstart", folder / "quickstart.parquet", "lth-bench run quickstart")
    monkeypatch.setattr("lth_bench.store.reference.FOLDER", folder)
    return folder


@pytest.fixture
def mine(tmp_path: Path, shipped: Path) -> Callable[..., Path]:
    """`mine(**scenario)`: results of the suite with one method alone; `change` edits records."""

    def make(
        change: Callable[[dict[str, Any]], dict[str, Any]] = lambda record: record, **options: Any
    ) -> Path:
        scenario = RECORDS["Scenario"](strategies=("dense", "rigl"), **options)
        return results_at(tmp_path / "mine.duckdb", [change(r) for r in scenario.records()])

    return make


def test_every_reference_method_is_paired_with_mine(mine: Callable[..., Path]) -> None:
    found = beside_reference(parse("rigl"), None, results=mine())
    there = {(s.label, s.target_density): s for s in found.reference.samples}
    own = {(s.label, s.target_density): s for s in found.own.samples}
    assert {label for label, _ in there} == {"dense", "imp", "one_shot", "snip"}
    assert {label for label, _ in own} == {"dense", "imp", "one_shot", "snip"}
    assert own["imp", 0.2].values == own["snip", 0.2].values != there["imp", 0.2].values
    assert own["imp", 0.2].values.keys() == there["imp", 0.2].values.keys() == {0, 1, 2}
    assert found.notes[0].startswith("A: the reference results of quickstart, version 1, made on")


def test_a_difference_has_an_interval_for_other_test_data(
    mine: Callable[..., Path], shipped: Path, tmp_path: Path
) -> None:
    """Since the rows say which test examples each ticket gets right."""
    recorded = {"weights": True, "test_examples": 60}
    made = results_at(tmp_path / "new.duckdb", list(RECORDS["Scenario"](**recorded).records()))
    write_rows(made, "quickstart", shipped / "quickstart.parquet", "")
    found = beside_reference(parse("rigl"), parse("imp"), results=mine(**recorded))
    for density in (0.5, 0.2):
        sides = [
            next(s for s in side.samples if (s.label, s.target_density) == ("imp", density))
            for side in (found.reference, found.own)
        ]
        base, own = ([s.answers[seed] for seed in (0, 1, 2)] for s in sides)
        differences = [sides[1].values[seed] - sides[0].values[seed] for seed in (0, 1, 2)]
        assert of_difference(Summary.of(differences), own, base, 60) is not None
        assert sides[0].examples == sides[1].examples == 60


def test_one_of_them_is_chosen_by_its_label(mine: Callable[..., Path]) -> None:
    found = beside_reference(parse("rigl"), parse("snip"), results=mine())
    assert {s.label for s in found.reference.samples} == {"snip"}


def test_seeds_of_one_side_are_told(mine: Callable[..., Path]) -> None:
    found = beside_reference(parse("rigl"), None, results=mine(seeds=(1, 2, 7)))
    assert "seeds of yours alone, which do not count: 7." in found.notes
    assert "seeds of the reference alone, which do not count: 0." in found.notes


def test_other_numerics_are_told(mine: Callable[..., Path]) -> None:
    def older(record: dict[str, Any]) -> dict[str, Any]:
        if record["record"] != "experiment":
            return record
        return {**record, "numerics": {**record["numerics"], "torch": "2.14.0"}}

    found = beside_reference(parse("rigl"), None, results=mine(older))
    assert "torch differs: 2.15.0 there, 2.14.0 here." in found.notes


def version(record: dict[str, Any]) -> dict[str, Any]:
    return {**record, "suite_version": 2} if record["record"] == "run" else record


def data(record: dict[str, Any]) -> dict[str, Any]:
    return {**record, "fingerprint": "other"} if "fingerprint" in record else record


def recipe(record: dict[str, Any], lr: float = 0.2) -> dict[str, Any]:
    if record["record"] != "planned":
        return record
    changed = [{**e, "config": {"recipe": {"lr": lr}}} for e in record["experiments"]]
    return {**record, "experiments": changed}


@pytest.mark.parametrize(
    ("change", "told"),
    [
        (version, "your results are of version 2 of suite 'quickstart', and the reference"),
        (data, "your data of digits is not that of the reference results"),
    ],
)
def test_what_cannot_be_paired_is_refused(
    mine: Callable[..., Path], change: Any, told: str
) -> None:
    with pytest.raises(UserError, match=told):
        beside_reference(parse("rigl"), None, results=mine(change))


def test_another_recipe_is_refused(
    mine: Callable[..., Path], shipped: Path, tmp_path: Path
) -> None:
    records = [recipe(record, lr=0.1) for record in RECORDS["Scenario"]().records()]
    made = results_at(tmp_path / "slow.duckdb", records)
    write_rows(made, "quickstart", shipped / "quickstart.parquet", "")
    with pytest.raises(UserError, match=r"your tasks are not those .*recipe: lr 0.1 \| 0.2"):
        beside_reference(parse("rigl"), None, results=mine(recipe))


def test_a_suite_without_reference_results_is_refused(mine: Callable[..., Path]) -> None:
    with pytest.raises(UserError, match="no reference results of suite 'other'; there are those"):
        beside_reference(parse("rigl"), None, results=mine(suite="other"))
    with pytest.raises(UserError, match="has no results of 'nothing'"):
        beside_reference(parse("nothing"), None, results=mine())
