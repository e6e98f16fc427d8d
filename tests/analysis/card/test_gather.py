from __future__ import annotations

from typing import Any

import pytest

from lth_bench.analysis.boards import matching
from lth_bench.analysis.boards.baseline import baselines
from lth_bench.analysis.boards.scope import Selection, resolve
from lth_bench.analysis.card import Card, cards
from lth_bench.analysis.card.gather import headline_of
from lth_bench.analysis.leaderboard import Question, leaderboard

DENSE = ("dense", 1.0)
CELLS: dict[Any, Any] = {
    DENSE: [0.90, 0.91, 0.92, 0.90],
    ("imp", 0.5): [0.91, 0.92, 0.93, 0.91],
    ("imp", 0.2): [0.89, 0.91, 0.92, 0.90],
    ("imp", 0.1): [0.60, 0.61, 0.62, 0.63],
    ("snip", 0.5): [0.80, 0.82, 0.83, 0.81],
    ("snip", 0.2): [0.70, 0.72, 0.73, 0.71],
    ("snip", 0.1): [0.50, 0.52, 0.53, 0.51],
}


def carded(con: Any, **question: Any) -> list[Card]:
    asked = Question(selection=Selection(**question.pop("selection", {})), **question)
    return cards(con, asked, leaderboard(con, asked).rows)


def toml(**header: Any) -> str:
    lines = [f"{key} = {value}" for key, value in header.items()]
    return "\n".join(['[suite]\nname = "quickstart"', *lines, ""])


def test_the_middle_density_by_default(chosen) -> None:
    (card,) = carded(chosen(CELLS))
    (task,) = card.tasks
    assert (task.density, task.chosen, task.name) == (0.2, "middle", "MLP on digits")
    assert [row.name for row in task.rows] == ["imp", "snip"]
    assert task.dense is not None and task.dense["n"] == 4
    assert [row.area_place for row in task.rows] == [1, 2]


def test_the_density_that_the_suite_fixes(chosen) -> None:
    (card,) = carded(chosen(CELLS, toml=toml(headline=0.5)))
    assert (card.tasks[0].density, card.chosen) == (0.5, "fixed by the suite")
    assert not card.after_the_fact


@pytest.mark.parametrize("density", [0.5, 0.1])
def test_a_density_that_was_asked_for_later_is_called_so(chosen, density: float) -> None:
    con = chosen(CELLS, toml=toml(headline=0.2))
    (card,) = carded(con, selection={"densities": [density]})
    assert (card.tasks[0].density, card.after_the_fact) == (density, True)
    assert card.tasks[0].rows[0].area_place is None  # of densities chosen by their results
    (card,) = carded(con, selection={"densities": [0.2]})
    assert not card.after_the_fact


def test_headline_as_set_on_the_command_line() -> None:
    assert headline_of(toml(headline=0.5)) == 0.5
    assert headline_of(toml(headline=0.5), ["suite.headline=0.2", "recipes.a.lr=1"]) == 0.2
    assert headline_of(toml()) is None
    assert headline_of("[suite") is None


def test_a_match_is_that_of_the_board_by_matching(chosen) -> None:
    """Every row at every density."""
    con = chosen(CELLS)
    scope = resolve(con)
    shown = {
        r["label"]: r["shown_density"] for r in matching.rows(con, scope, baselines(con, scope))
    }
    assert shown == {"dense": None, "imp": 0.5, "snip": None} or shown == {"imp": 0.5, "snip": None}
    for density in (0.5, 0.2, 0.1):
        (card,) = carded(con, selection={"densities": [density]})
        matches = {row.name: row.matches for row in card.tasks[0].rows}
        assert matches == {"imp": density == 0.5, "snip": False}


def test_verdicts_in_words(chosen) -> None:
    n = 4
    cells = {
        DENSE: [0.90] * n, ("a", 0.5): [0.95, 0.951, 0.952, 0.951], ("b", 0.5): [0.9] * n,
        ("c", 0.5): [0.902, 0.902, 0.903, 0.902], ("d", 0.5): [0.8, 0.93, 0.9, 0.97],
        ("e", 0.5): [0.9, "failed", 0.9, 0.9], ("f", 0.5): [0.8, 0.81, 0.8, 0.81],
    }  # fmt: skip
    (card,) = carded(chosen(cells))
    found = {row.name: row.verdict for row in card.tasks[0].rows}
    assert found.pop("d").startswith("open, ")
    assert found == {
        "a": "better", "b": "same within 0.5", "c": "better by <0.5", "e": "1 of 4 failed",
        "f": "worse",
    }  # fmt: skip
    assert {row.name for row in card.tasks[0].rows if row.matches} == {"a", "b", "c"}
    assert all(
        len(row.verdict) <= 18 and len(row.short_verdict) <= 13 for row in card.tasks[0].rows
    )
    assert card.settled == (5, 6)


def test_a_method_that_failed_everywhere_has_no_place_and_no_settled_verdict(chosen) -> None:
    lost: dict[Any, Any] = {("lost", d): ["failed"] * 4 for d in (0.5, 0.2, 0.1)}
    (card,) = carded(chosen(CELLS | lost))
    assert [(row.name, row.area_place) for row in card.tasks[0].rows] == [
        ("imp", 1), ("snip", 2), ("lost", None)
    ]  # fmt: skip
    assert card.settled_words == "1 of 2 verdicts settled, 1 without a result"
    (alone,) = carded(chosen({DENSE: CELLS[DENSE], **lost}))
    assert (alone.settled, alone.settled_words) == ((0, 0), "")
    assert alone.tasks[0].rows[0].area_place is None


def test_lower_is_better(chosen) -> None:
    cells = {
        DENSE: [10.0, 10.1, 10.2],
        ("imp", 0.5): [9.0, 9.1, 9.3],
        ("snip", 0.5): [20.0, 21.0, 22.0],
    }
    judged = {"digits": ("rmse", "", False)}
    con = chosen(cells, judged=judged, metrics={"test_rmse": cells})
    (card,) = carded(con)
    (task,) = card.tasks
    assert [row.name for row in task.rows] == ["imp", "snip"]
    assert [row.verdict for row in task.rows] == ["better", "worse"]
    assert [row.matches for row in task.rows] == [True, False]


def test_no_tickets_no_card(chosen) -> None:
    assert carded(chosen({DENSE: [0.9, 0.9, 0.9]})) == []
