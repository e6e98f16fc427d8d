"""The reference results that come with the package: whole, small, and as their README says."""

from __future__ import annotations

import runpy
from pathlib import Path

import pytest

from lth_bench.maintenance.verify.recorded import opened
from lth_bench.maintenance.verify.rules import broken
from lth_bench.store.reference import FOLDER, references
from lth_bench.store.rows_file import about

MAKE = runpy.run_path(str(Path(__file__).parents[2] / "docs" / "make_reference.py"))


def test_the_readme_has_the_table_of_what_is_there() -> None:
    """Rows, seeds, sizes and hashes; `docs/make_reference.py --written` writes it."""
    assert (FOLDER / "README.md").read_text(encoding="utf-8") == MAKE["readme"]()


def test_they_are_small() -> None:
    assert 0 < sum(file.stat().st_size for file in references().values()) < 1_000_000


@pytest.mark.parametrize("name", references())
def test_they_keep_the_rules_for_results_that_others_use(name: str) -> None:
    with opened(references()[name]) as con:
        assert broken(con) == []


@pytest.mark.parametrize("name", references())
def test_none_names_a_folder_or_a_machine(name: str) -> None:
    said = about(references()[name])
    assert set(said["environment"]) <= {"python", "torch", "packages", "device", "cpu", "git"}
    assert "/" not in said["command"]
    assert name in {one.suite for one in MAKE["RECIPES"]}


@pytest.mark.slow
@pytest.mark.parametrize("name", references())
def test_the_code_gives_them_again(name: str, request: pytest.FixtureRequest) -> None:
    """An experiment of each. One whose strategy has been edited since is refused; where all of a
    file are, `make reference` is due.
    """
    if name.startswith("mnist"):
        request.getfixturevalue("requires_shared_data")
    from lth_bench.maintenance.verify.again import RerunOn
    from lth_bench.maintenance.verify.verify import verify
    from lth_bench.plugins import load_registry

    found = verify(
        references()[name],
        count=1,
        seed=0,
        registry=load_registry((), False),
        where=RerunOn(device="cpu", workers=1),
        emit=lambda event: None,
    )
    assert found.exit_code == 0, found.as_json()
    assert found.counts["equal"] + found.counts["consistent"] == 1
