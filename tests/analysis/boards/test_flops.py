from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import pytest

from lth_bench.analysis.boards import flops
from lth_bench.analysis.boards.baseline import baselines
from lth_bench.analysis.boards.rows import BoardRow
from lth_bench.analysis.boards.scope import Selection, resolve
from lth_bench.analysis.leaderboard import Question, leaderboard
from lth_bench.errors import UserError

Chosen = Callable[..., Any]

# At one density a structured network is cheaper: 0.25 and 0.0625 of the FLOPs.
CELLS = {
    ("dense", 1.0): [0.9, 0.9], ("imp", 0.5): [0.8, 0.9], ("imp", 0.25): [0.7, 0.7],
    ("slimming", 0.5): [0.7, 0.8], ("slimming", 0.25): [0.5, 0.5],
}  # fmt: skip
CHEAPER = {("slimming", 0.5): 0.25, ("slimming", 0.25): 0.0625}


def rows(con: Any, baseline: str | None = None, **filters: Any) -> dict[tuple[Any, ...], BoardRow]:
    scope = resolve(con, Selection(**filters))
    found = flops.rows(con, scope, baselines(con, scope, baseline))
    return {(row["flops_share"], row["label"]): row for row in found}


def test_tickets_are_compared_at_equal_flops(chosen: Chosen) -> None:
    """At half of the FLOPs slimming lies in the middle of its way from dense, 0.9, to 0.7 and 0.8
    at a quarter, on a logarithmic scale: 0.8 and 0.85, as good as imp at its first seed.
    """
    found = rows(chosen(CELLS, flops=CHEAPER))
    assert found[0.5, "imp"]["mean"] == pytest.approx(0.85)
    assert found[0.5, "slimming"]["mean"] == pytest.approx((0.8 + 0.85) / 2)
    assert found[0.5, "slimming"]["difference"] == pytest.approx(-0.075)
    assert found[0.5, "dense"]["mean"] == pytest.approx(0.9)
    # which at equal density is 0.75 against 0.85, and at a quarter of the FLOPs is ahead
    assert found[0.25, "slimming"]["mean"] == pytest.approx(0.75)
    assert found[0.25, "imp"]["mean"] == pytest.approx(0.7)
    assert [found[0.25, label]["rank"] for label in ("slimming", "imp")] == [1, 2]
    assert [found[0.5, label]["rank"] for label in ("slimming", "imp")] == [2, 1]


def test_differences_to_a_label_are_taken_at_equal_flops(chosen: Chosen) -> None:
    found = rows(chosen(CELLS, flops=CHEAPER), "imp")
    assert found[0.5, "slimming"]["difference"] == pytest.approx(((0.8 - 0.8) + (0.85 - 0.9)) / 2)
    assert found[0.25, "slimming"]["difference"] == pytest.approx(0.05)
    half = 12.706204736 * 0.05 / math.sqrt(2) / math.sqrt(2)
    row = found[0.5, "slimming"]
    assert row["difference_high"] - row["difference"] == pytest.approx(half)


def test_nothing_is_extrapolated(chosen: Chosen) -> None:
    """imp's cheapest network has 0.3 of the FLOPs, above a quarter; 0.2515 is as good as there."""
    dear = rows(chosen(CELLS, flops={**CHEAPER, ("imp", 0.25): 0.3}))
    row = dear[0.25, "imp"]
    assert (row["n"], row["planned"], row["mean"], row["rank"]) == (0, 2, None, None)
    near = rows(chosen(CELLS, flops={**CHEAPER, ("imp", 0.25): 0.2515}))
    assert near[0.25, "imp"]["mean"] == pytest.approx(0.7)


def test_a_label_with_fewer_seeds_there_ranks_lower(chosen: Chosen) -> None:
    cells = {**CELLS, ("snip", 0.5): [0.95, 0.95], ("snip", 0.25): [0.94, "diverged"]}
    found = rows(chosen(cells, flops=CHEAPER))
    row = found[0.25, "snip"]
    assert (row["n"], row["planned"], row["mean"]) == (1, 2, pytest.approx(0.94))
    assert [found[0.25, label]["rank"] for label in ("slimming", "imp", "snip")] == [1, 2, 3]


def test_a_lost_seed_ranks_its_label_behind(chosen: Chosen) -> None:
    cells = {**CELLS, ("snip", 0.5): [0.95, "diverged"], ("snip", 0.25): [0.95, "diverged"]}
    found = rows(chosen(cells, flops=CHEAPER))
    # of the lost seed only the dense run is there
    assert (found[0.5, "snip"]["n"], found[0.5, "snip"]["lost"]) == (1, 1)
    assert found[0.5, "snip"]["mean"] == pytest.approx(0.95)
    assert found[0.5, "snip"]["rank"] == 3


def test_the_board_as_a_person_sees_it(chosen: Chosen) -> None:
    con = chosen(CELLS, flops={**CHEAPER, ("imp", 0.25): 0.3})
    board = leaderboard(con, Question(by="flops"))
    (table,) = board.tables
    assert table.header[:4] == ("FLOPs %", "#", "strategy", "accuracy %")
    firsts = [block[0][0].text for block in table.blocks]
    assert firsts == ["50.00", "25.00"]
    assert [len(block) for block in table.blocks] == [3, 3]
    assert any("have no ticket with as few FLOPs" in note for note in table.notes)
    assert "Not in it: the search for the ticket (--by cost)" in board.legend


def test_shares_of_flops_have_no_ranks_across_tasks() -> None:
    with pytest.raises(UserError, match="compares within each task and has no --across"):
        Question(by="flops", across=True)
