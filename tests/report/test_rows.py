from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from lth_bench.errors import NothingSelected, UnknownName, UserError
from lth_bench.report.rows import rows

Results = Callable[..., Any]


def test_everything_in_reading_order(results: Results) -> None:
    found = rows(results())
    assert [(r["target_density"], r["rank"]) for r in found if r["control"] == "none"] == [
        (1.0, 1), (0.5, 1), (0.5, 2), (0.5, 3), (0.2, 1), (0.2, 2), (0.2, 3)
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("filters", "labels"),
    [
        ({"suites": ["quickstart"]}, {"dense", "imp", "one_shot", "snip"}),
        ({"models": ["mlp"], "datasets": ["digits"]}, {"dense", "imp", "one_shot", "snip"}),
        ({"tasks": ["mlp"]}, {"dense", "imp", "one_shot", "snip"}),
        ({"tasks": ["m*/dig*/mlp"]}, {"dense", "imp", "one_shot", "snip"}),
        ({"densities": [0.2]}, {"dense", "imp", "one_shot", "snip"}),
    ],
)
def test_filters_that_fit_keep(results: Results, filters: Any, labels: set[str]) -> None:
    assert {r["label"] for r in rows(results(), **filters)} == labels


def test_a_density_stands_for_its_rounded_figure(results: Results) -> None:
    con = results(densities=(0.21074, 0.2))
    assert {r["target_density"] for r in rows(con, densities=[0.2107])} == {1.0, 0.21074}


def test_controls_are_chosen_by_name(results: Results) -> None:
    con = results(controls=("reinit", "shuffle"))
    assert {r["control"] for r in rows(con)} == {"none", "reinit", "shuffle"}
    assert {r["control"] for r in rows(con, controls=["reinit"])} == {"none", "reinit"}
    assert {r["control"] for r in rows(con, controls=["none"])} == {"none"}


@pytest.mark.parametrize(
    ("filters", "message"),
    [
        ({"suites": ["quikstart"]}, "unknown suite 'quikstart'; did you mean 'quickstart'"),
        ({"models": ["x"]}, "unknown model 'x'; choose from: mlp"),
        ({"datasets": ["digit"]}, "did you mean 'digits'"),
        ({"controls": ["reinit"]}, "unknown control 'reinit'"),
    ],
)
def test_an_unknown_name_gets_the_nearest(results: Results, filters: Any, message: str) -> None:
    with pytest.raises(UnknownName, match=message):
        rows(results(), **filters)


@pytest.mark.parametrize(
    "filters", [{"tasks": ["conv2"]}, {"densities": [0.3]}, {"densities": [0.5], "tasks": ["x*"]}]
)
def test_filters_that_leave_nothing_say_what_there_is(results: Results, filters: Any) -> None:
    with pytest.raises(NothingSelected, match=r"mlp/digits/mlp and the densities 0\.2, 0\.5"):
        rows(results(), **filters)


def test_an_empty_leaderboard_says_so(results: Results) -> None:
    with pytest.raises(UserError, match="has no row"):
        rows(results(strategies=()))
