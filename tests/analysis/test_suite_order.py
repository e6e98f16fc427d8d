"""Tasks and methods stand as the suite names them, and by name where it cannot be read."""

from __future__ import annotations

from lth_bench.analysis.card import cards
from lth_bench.analysis.evidence import density_series, gather
from lth_bench.analysis.leaderboard import Question, leaderboard
from lth_bench.analysis.page import gather_report
from lth_bench.analysis.suite_order import UNKNOWN, order_in

SUITE = """
schema_version = 1
[suite]
name = "quickstart"
version = 1
description = "Networks by size, methods by date"
seeds = 2
densities = [0.2]
[[tasks]]
model = ["mlp", "conv2"]
dataset = "digits"
recipe = ["short", "long"]
[recipes.short]
optimizer = "adam"
lr = 1e-3
steps = 10
[recipes.long]
optimizer = "adam"
lr = 1e-3
steps = 20
[[strategies]]
use = "snip"
[[strategies]]
use = "imp"
label = "zero"
[[strategies]]
use = "dense"
"""

SHORT, LONG, CONV = (
    ("mlp", "digits", "short"), ("mlp", "digits", "long"), ("conv2", "digits", "short"),
)  # fmt: skip
SCENARIO = {"tasks": (CONV, LONG, SHORT), "strategies": ("dense", "imp", "snip", "zero")}


def test_lists_multiply_in_the_order_of_the_file() -> None:
    order = order_in(SUITE)
    assert sorted((LONG, CONV, SHORT), key=order.of_task) == [SHORT, LONG, CONV]
    assert sorted(("dense", "imp", "zero", "snip"), key=order.of_label) == [
        "snip", "zero", "dense", "imp",
    ]  # what the suite does not have comes last  # fmt: skip


def test_overrides_are_part_of_the_order() -> None:
    assert order_in(SUITE, ('strategies.1.label="b"',)).of_label("b") == (1, "b")


def test_what_cannot_be_read_goes_by_name() -> None:
    assert order_in("schema_version = 99") is order_in("no [toml") is UNKNOWN
    assert sorted(("snip", "imp"), key=UNKNOWN.of_label) == ["imp", "snip"]


def test_tables_cards_and_figures_have_it(results) -> None:
    con = results(toml=SUITE, **SCENARIO)
    (suite,) = gather_report(con).suites
    assert [task.place.task for task in suite.tasks] == [SHORT, LONG, CONV]
    (card,) = cards(con, Question(), leaderboard(con, Question()).rows)
    spoken = ["MLP on digits, short", "MLP on digits, long", "Conv-2 on digits"]
    assert [task.name for task in card.tasks] == spoken
    assert [task.name for task in suite.tasks] == spoken
    assert [one.place.task for one in gather(con)] == [SHORT, LONG, CONV]
    for lines in density_series(con).values():
        assert [line.label for line in lines] == ["dense", "snip", "zero", "imp"]
