from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from typing import Any

import pytest
import scipy.stats
from hypothesis import given
from hypothesis import strategies as st

from lth_bench.analysis.boards import across, across_tables
from lth_bench.analysis.boards.across import levels
from lth_bench.analysis.boards.baseline import baselines
from lth_bench.analysis.boards.rows import BoardRow
from lth_bench.analysis.boards.scope import Selection, resolve
from lth_bench.analysis.boards.scores import (
    Scores,
    area_scores,
    cost_scores,
    matching_scores,
    metric_scores,
    speed_scores,
)
from lth_bench.analysis.table import Board
from lth_bench.errors import NothingSelected

Chosen = Callable[..., Any]

TEN = [f"m{i}" for i in range(10)]


def cells(
    values: Mapping[str, list[float]], density: float = 0.5, dense: float = 0.9
) -> dict[tuple[Any, ...], list[float]]:
    """Each label's accuracy by task, at one seed."""
    tasks = range(max(map(len, values.values())))
    return {
        **{(f"m{task}", "dense", 1.0): [dense] for task in tasks},
        **{(f"m{task}", label, density): [x] for label, row in values.items()
           for task, x in enumerate(row)},
    }  # fmt: skip


def scores(con: Any, baseline: str | None = None, **filters: Any) -> tuple[Scores, Any]:
    scope = resolve(con, Selection(**filters))
    against = baselines(con, scope, baseline)
    return metric_scores(con, scope, against), against


def rows(con: Any, baseline: str | None = None, **filters: Any) -> dict[str, BoardRow]:
    return {row["label"]: row for row in across.rows(*scores(con, baseline, **filters))}


def board(con: Any, baseline: str | None = None) -> Board:
    return across_tables.board(*scores(con, baseline))


A = [0.89, 0.90, 0.88, 0.91, 0.87, 0.90, 0.89, 0.91, 0.88, 0.90]
FIELD = {
    "a": A,
    "b": [x - 0.001 * (-1) ** i * (i + 1) for i, x in enumerate(A)],
    "c": [x - 0.1 - 0.003 * i for i, x in enumerate(A)],
}


def test_ten_tasks_distinguish_the_worst(chosen: Chosen) -> None:
    found = rows(chosen(cells(FIELD)))
    assert {x: (r["rank_low"], r["rank_high"], r["group"]) for x, r in found.items()} == {
        "a": (1, 2, "a"), "b": (1, 2, "a"), "c": (3, 3, "b")
    }  # fmt: skip
    assert found["c"]["mean_rank"] == 3
    assert found["a"]["mean_rank"] == found["b"]["mean_rank"] == 1.5
    assert found["c"]["verdict"] == "worse"
    assert (found["c"]["wins"], found["c"]["losses"], found["c"]["tasks"]) == (0, 10, 10)


def test_differences_are_tested_by_signed_ranks_with_holm(chosen: Chosen) -> None:
    found = rows(chosen(cells(FIELD)), "b")
    p = {
        x: scipy.stats.wilcoxon([u - v for u, v in zip(FIELD[x], FIELD["b"], strict=True)]).pvalue
        for x in "ac"
    }
    assert {x: found[x]["p"] for x in "ac"} == pytest.approx(p)
    assert found["c"]["p_holm"] == pytest.approx(2 * p["c"])
    assert found["a"]["p_holm"] == pytest.approx(p["a"])
    assert found["b"]["p"] is None
    differences = sorted(u - v for u, v in zip(FIELD["c"], FIELD["b"], strict=True))
    assert found["c"]["difference"] == pytest.approx(sum(differences[2:8]) / 6)


def test_too_few_tasks_are_noted(chosen: Chosen) -> None:
    few = {label: values[:4] for label, values in FIELD.items()}
    found = rows(chosen(cells(few)))
    assert {r["verdict"] for r in found.values()} == {"insufficient"}
    assert {(r["rank_low"], r["rank_high"]) for r in found.values()} == {(1, 3)}
    (table,) = board(chosen(cells(few))).tables
    (note,) = table.notes
    assert note == (
        "4 tasks are too few to tell 3 labels apart: signed-rank tests with Holm's correction "
        "need 7 at least, 7 to compare them with dense only"
    )
    assert [cell.text for cell in table.lines()[2]] == [
        "", "1–3", "c", "3.00", "–", "−10.65", "0", "0.38", "needs 7+", "4"
    ]  # fmt: skip
    enough = board(chosen(cells(FIELD))).tables[0]
    assert enough.notes == ()
    assert [line[4].text for line in enough.lines()] == ["a", "a", "b"]


def test_lost_and_unreachable_seeds_are_worst_and_missing_ones_left_out(chosen: Chosen) -> None:
    con = chosen({
        **{(m, "dense", 1.0): [0.9, 0.9] for m in ("m0", "m1")},
        **{(m, "steady", 0.5): [0.5, 0.5] for m in ("m0", "m1")},
        ("m0", "risky", 0.5): [0.9, "diverged"], ("m1", "risky", 0.5): ["skipped", "skipped"],
        ("m0", "owed", 0.5): [0.8, "oom"], ("m1", "owed", 0.5): [None, 0.6],
    })  # fmt: skip
    found = rows(con)
    assert found["risky"]["difference"] == pytest.approx((-0.45 - 0.9) / 2)
    assert found["owed"]["difference"] == pytest.approx((-0.1 - 0.3) / 2)
    assert {x: r["mean_rank"] for x, r in found.items()} == {"owed": 1, "steady": 2, "risky": 3}


def test_tasks_that_lack_a_label_do_not_count(chosen: Chosen) -> None:
    """d has half of the tasks and takes them along; e has one of them and is not ranked."""
    six = {label: values[:6] for label, values in FIELD.items()}
    con = chosen(cells({**six, "d": [0.8] * 3, "e": [0.99]}))
    found = rows(con)
    assert {x: r["tasks"] for x, r in found.items()} == {"a": 3, "b": 3, "c": 3, "d": 3, "e": 1}
    assert found["e"]["rank"] is None
    (table,) = board(con).tables
    assert "e has a score on 1 task only and is not ranked" in table.notes


def test_densities_of_one_task_only_are_left_out(chosen: Chosen) -> None:
    con = chosen({
        **{(m, "dense", 1.0): [0.9] for m in ("m0", "m1")},
        **{(m, x, d): [0.8 * d] for m, d in (("m0", 0.5), ("m1", 0.501), ("m0", 0.1), ("m1", 0.2))
           for x in ("a", "b")},
    })  # fmt: skip
    found = across.rows(*scores(con))
    assert [(r["label"], r["target_density"], r["level"]) for r in found] == [
        ("a", 0.5005, None), ("b", 0.5005, None)
    ]  # fmt: skip


def test_different_densities_are_compared_level_by_level(chosen: Chosen) -> None:
    con = chosen({
        **{(m, "dense", 1.0): [0.9] for m in ("m0", "m1")},
        **{(m, "a", d): [0.8] for m, d in (("m0", 0.5), ("m1", 0.6), ("m0", 0.1), ("m1", 0.2))},
    })  # fmt: skip
    found = across.rows(*scores(con))
    assert [(r["level"], r["density_low"], r["density_high"]) for r in found] == [
        (1, 0.5, 0.6), (2, 0.1, 0.2)
    ]  # fmt: skip
    (table,) = board(con).tables
    assert [line[0].text for line in table.lines()] == [
        "level 1: 50.00–60.00", "level 2: 10.00–20.00"
    ]  # fmt: skip


def test_one_task_is_not_across(chosen: Chosen) -> None:
    with pytest.raises(NothingSelected, match="--across needs two tasks of one suite"):
        rows(chosen(cells({"a": [0.9]})))


@pytest.fixture
def kinds(chosen: Chosen) -> Callable[[Any], Scores]:
    """Scores of each kind: slow loses at m1 by failing, quick is cheaper and sooner."""
    con = chosen(
        {
            **{(m, "dense", 1.0): [0.9, 0.9, 0.9] for m in ("m0", "m1")},
            **{(m, "quick", d): [0.9, 0.9, 0.9] for m in ("m0", "m1") for d in (0.5, 0.25)},
            ("m0", "slow", 0.5): [0.9, 0.9, 0.9], ("m0", "slow", 0.25): [0.8, 0.8, 0.8],
            ("m1", "slow", 0.5): [0.9, "failed", 0.8], ("m1", "slow", 0.25): [0.8, 0.8, 0.8],
        },
        stops={("quick", 0.5): [100] * 3, ("slow", 0.5): [800] * 3, ("dense", 1.0): [400] * 3},
        searches={"quick": 0, "slow": 1000, "dense": 0},
    )  # fmt: skip
    scope = resolve(con)
    against = baselines(con, scope)
    return lambda kind: {
        "area": lambda: area_scores(con, scope, against),
        "speed": lambda: speed_scores(con, scope, against),
        "matching": lambda: matching_scores(con, scope, against, 0.005),
        "cost": lambda: cost_scores(con, scope, against=against, margin=0.005, reach=None),
    }[kind]()


@pytest.mark.parametrize(
    ("kind", "quick", "slow"),
    [
        ("speed", (100, math.log(0.25)), (None, math.inf)),
        ("matching", (0.25, None), (None, None)),
        ("cost", (0.25, math.log(0.25)), (None, math.inf)),
        ("area", (0.9, 0), ((0.45 + (0.9 + 0.8) / 3 + 0.4) / 2, (0.45 + 1.7 / 3 + 0.4) / 2 - 0.9)),
    ],
)
def test_every_kind_has_scores(kinds: Any, kind: str, quick: Any, slow: Any) -> None:
    found = kinds(kind)
    at = {
        s.label: (s.value, s.difference) for s in found.found
        if s.task.startswith("m1/") and s.density in (None, 0.5) and s.strategy != "dense"
    }  # fmt: skip
    assert at["quick"] == pytest.approx(quick, abs=1e-12)
    assert at["slow"] == pytest.approx(slow)
    assert found.higher == (kind == "area")


@pytest.mark.parametrize("kind", ["area", "speed", "matching", "cost"])
def test_every_kind_has_a_board(kinds: Any, chosen: Chosen, kind: str) -> None:
    found = kinds(kind)
    con = chosen(cells({"a": [0.9]}))
    scope = resolve(con)
    against = baselines(con, scope)
    (table,) = across_tables.board(found, against).tables
    best = table.lines()[0]
    assert "quick" in [cell.text for cell in best]
    assert ("× dense" in table.header) == (kind in ("speed", "cost"))
    assert ("verdict" in table.header) == (kind != "matching")
    if kind == "cost":
        slow = next(line for line in table.lines() if line[1].text == "slow")
        assert slow[4].text == "–"  # infinite at one of two tasks


densities = st.lists(st.sampled_from([0.9, 0.5, 0.501, 0.36, 0.2, 0.1, 0.0467]), unique=True)
grids = st.dictionaries(st.sampled_from("abcde"), densities)


def seen(given: dict[str, list[float]]) -> list[tuple[int | None, dict[str, float]]]:
    return [(level.number, dict(level.densities)) for level in levels(given)]


def test_densities_common_to_two_tasks_are_compared() -> None:
    found = seen({"conv": [0.6, 0.36, 0.13], "mlp": [0.36, 0.13, 0.028]})
    assert found == [(None, {"conv": 0.36, "mlp": 0.36}), (None, {"conv": 0.13, "mlp": 0.13})]


def test_densities_within_half_a_percent_agree() -> None:
    assert seen({"a": [0.2107], "b": [0.2113]}) == [(None, {"a": 0.2107, "b": 0.2113})]
    assert seen({"a": [0.2107], "b": [0.2120]})[0][0] == 1


def test_densities_from_pruning_rates_are_compared_level_by_level() -> None:
    """The suite cifar_conv: each network's densities come from its own pruning rates."""
    found = levels({"conv2": [0.64, 0.33], "conv4": [0.66, 0.36, 0.2], "conv6": [0.68, 0.39, 0.22]})
    assert [level.number for level in found] == [1, 2, 3]
    assert found[0].densities == {"conv2": 0.64, "conv4": 0.66, "conv6": 0.68}
    assert found[2].densities == {"conv4": 0.2, "conv6": 0.22}
    assert found[0].mean == pytest.approx((0.64 + 0.66 + 0.68) / 3)


def test_one_common_density_by_chance_does_not_count() -> None:
    found = levels({"a": [0.5, 0.2], "b": [0.6, 0.3], "c": [0.7, 0.4], "d": [0.8, 0.1],
                    "e": [0.5, 0.25]})  # fmt: skip
    assert [level.number for level in found] == [1, 2]


def test_one_task_or_none_has_no_levels() -> None:
    assert levels({}) == levels({"a": [0.5, 0.2]}) == levels({"a": [0.5], "b": []}) == []


@given(grids)
def test_every_level_has_one_density_from_at_least_two_tasks(given: dict[str, list[float]]) -> None:
    found = levels(given)
    for level in found:
        assert len(level.densities) > 1
        assert all(density in given[task] for task, density in level.densities.items())
    used = [(task, d) for level in found for task, d in level.densities.items()]
    assert len(used) == len(set(used))
    if any(level.number for level in found):  # a level's mean may exceed that of the one before
        assert [level.number for level in found] == sorted(level.number for level in found)
    else:
        assert [level.mean for level in found] == sorted((x.mean for x in found), reverse=True)
