"""The other leaderboards and the claims, as parts of the page."""

from __future__ import annotations

import runpy
from pathlib import Path

import pytest

from lth_bench.analysis.leaderboard import Question, leaderboard
from lth_bench.analysis.page.gather import suite_facts
from lth_bench.output.page.sections.suite import boards, claims, moved

SUITE = """
schema_version = 1
[suite]
name = "quickstart"
densities = [0.5, 0.2]
seeds = 3
[recipes.mlp]
steps = 10
[[tasks]]
model = "mlp"
dataset = "digits"
recipe = "mlp"
[[strategies]]
use = "imp"
[[strategies]]
use = "snip"
[[claims]]
name = "a-claim"
text = "IMP is <b>no worse</b> than SNIP"
of = "imp"
versus = "snip"
density = 0.2
at_least = {least}
source = "A paper"
"""
TWO = (("mlp", "digits", "mlp"), ("conv2", "cifar10", "paper"))


@pytest.fixture
def suite(results):
    def make(**scenario):
        (known,) = suite_facts(results(**scenario))
        return known

    return make


def grids(section):
    return [part for part in section.parts if part.kind == "grid"]


def test_tables_equal_those_of_the_command(results) -> None:
    con = results()
    (known,) = suite_facts(con)
    shown = [[cell.text for cell in row.cells] for row in grids(boards(known))[0].rows]
    (table,) = leaderboard(con, Question(by="matching")).tables
    assert shown == [[cell.text for cell in line] for line in table.lines()]
    assert len(shown) == 3


def test_one_task_has_no_table_across_tasks(suite) -> None:
    assert set(suite().boards) == {"matching", "area", "cost"}


def test_two_tasks_are_compared_across(suite) -> None:
    known = suite(tasks=TWO, strategies=("dense", "imp", "random"))
    assert set(known.boards) == {"matching", "area", "cost", "across", "literature"}


def test_dense_runs_alone_have_no_section(suite) -> None:
    known = suite(strategies=("dense",))
    assert boards(known) is None
    assert claims(known) is None


def test_failures_only_raise_no_exception(suite) -> None:
    failed = {(label, seed): ("failed", "x") for label in ("dense", "imp") for seed in (0, 1, 2)}
    suite(strategies=("dense", "imp"), outcomes=failed)


@pytest.mark.parametrize(("least", "verdict"), [(-0.5, "reproduced"), (0.5, "not reproduced")])
def test_a_claim_has_its_verdict_and_text(suite, least: float, verdict: str) -> None:
    section = claims(suite(toml=SUITE.format(least=least)))
    ((row,),) = [grid.rows for grid in grids(section)]
    assert [row.cells[0].text, row.cells[-1].text] == ["IMP is <b>no worse</b> than SNIP", verdict]


def test_a_claim_s_words_are_escaped(page) -> None:
    found = page(toml=SUITE.format(least=0))
    assert "IMP is <b>no worse</b> than SNIP" in found.section("claims").text
    assert "<b>no worse" not in found.html


def test_transferred_tickets_have_a_section_with_figure_and_tables(suite, tmp_path):
    from lth_bench.store import fold
    from lth_bench.store.database import open_safe

    by_hand = runpy.run_path(str(Path(__file__).parents[3] / "analysis/boards/conftest.py"))
    cells = {
        ("a", "dense", 1.0): [0.95], ("b", "dense", 1.0): [0.95], ("a", "imp", 0.5): [0.9],
        ("b", "imp", 0.5): [0.8], ("b", "a", "imp", 0.5): [0.85],
    }  # fmt: skip
    paths = by_hand["RECORDS"]["write"](tmp_path / "r.duckdb", by_hand["scenario"](cells))
    fold(paths)
    with open_safe(paths) as con:
        (known,) = suite_facts(con)
    section = moved(known)
    assert [part.kind for part in section.parts] == ["prose", "picture", "prose", "grid", "prose"]
    shared, picture, command, table, _ = section.parts
    assert [getattr(p, "text", p) for p in shared.pieces] == [
        "The same for all of these tasks: ", "digits", " and ", "short", ".",
    ]  # fmt: skip
    assert picture.panels[0].heats[0].texts[0] == ["−5.00", "80.00"]
    assert "lth-bench leaderboard --by transfer" in command.pieces[0]
    assert table.caption == "imp at 50.00% of the weights"
    other = boards(known)
    assert other is None or not any(
        "trained on" in str(part) for part in other.parts if part.kind == "prose"
    )
    assert moved(suite()) is None
