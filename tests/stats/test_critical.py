from __future__ import annotations

import math
from itertools import combinations

import numpy as np
import pytest
import scipy.stats
from hypothesis import given
from hypothesis import strategies as st

from lth_bench.stats import critical_groups, holm
from lth_bench.stats.critical import runs

DEMSAR = {
    "C4.5": [0.763, 0.599, 0.954, 0.628, 0.882, 0.936, 0.661, 0.583, 0.775, 1.0, 0.94, 0.619,
             0.972, 0.957],
    "C4.5+m": [0.768, 0.591, 0.971, 0.661, 0.888, 0.931, 0.668, 0.583, 0.838, 1.0, 0.962, 0.666,
               0.981, 0.978],
    # printed 0.975 twice for "voting", but ranked 2 and 3
    "C4.5+cf": [0.771, 0.59, 0.968, 0.654, 0.886, 0.916, 0.609, 0.563, 0.866, 1.0, 0.965, 0.614,
                0.9751, 0.946],
    "C4.5+m+cf": [0.798, 0.569, 0.967, 0.657, 0.898, 0.931, 0.685, 0.625, 0.875, 1.0, 0.962, 0.669,
                  0.975, 0.97],
}  # fmt: skip


def field(columns: dict[str, list[float]]) -> dict[str, dict[int, float]]:
    return {label: dict(enumerate(column)) for label, column in columns.items()}


def test_a_published_example() -> None:
    # Demšar (2006), table 6: average ranks 3.143, 2.000, 2.893 and 1.964, χ² = 9.28
    found = critical_groups(field(DEMSAR))
    assert found.average_ranks == pytest.approx(
        {"C4.5+m+cf": 1.964, "C4.5+m": 2.0, "C4.5+cf": 2.893, "C4.5": 3.143}, abs=5e-4
    )
    assert list(found.average_ranks) == ["C4.5+m+cf", "C4.5+m", "C4.5+cf", "C4.5"]
    r = np.array(list(found.average_ranks.values()))
    assert 12 * 14 / (4 * 5) * (np.sum(r**2) - 4 * 25 / 4) == pytest.approx(9.28, abs=0.005)
    # his χ² does not correct for ties; scipy's test of this very table gives 10.228, p = 0.016722
    assert found.friedman_p == pytest.approx(0.0167215803284414)
    # the signed-rank tests tell apart C4.5 and C4.5+m; the groups are those of his figure 1(a)
    assert found.groups == (("C4.5+m+cf", "C4.5+m", "C4.5+cf"), ("C4.5+cf", "C4.5"))
    assert found.text == "methods differ (14 tasks, Friedman p=0.017)"
    # scipy.stats.wilcoxon trying all 2^14 signs (3 s a pair) gives the same p of every pair
    raw = {
        ("C4.5+m", "C4.5"): 0.0078125, ("C4.5+m+cf", "C4.5"): 0.01123046875,
        ("C4.5+m+cf", "C4.5+cf"): 0.033447265625, ("C4.5+m", "C4.5+cf"): 0.052978515625,
        ("C4.5+m+cf", "C4.5+m"): 0.4501953125, ("C4.5+cf", "C4.5"): 0.865966796875,
    }  # fmt: skip
    assert found.adjusted == holm(raw)
    # not told apart, yet in no common group, for C4.5+m stands between them
    assert found.adjusted["C4.5+m+cf", "C4.5"] == 5 * 0.01123046875 > 0.05


def test_friedman_s_test_comes_first() -> None:
    # the first pair alone would be a difference at 70%, but the field as a whole is none
    few = {label: {t: x[t] for t in range(6)} for label, x in field(DEMSAR).items()}
    found = critical_groups(few, level=0.7)
    assert found.friedman_p is not None and found.friedman_p > 0.3
    assert found.groups == (tuple(found.average_ranks),) and found.adjusted == {}
    assert found.text == "no two methods told apart (6 tasks, Friedman p=0.42)"


def test_the_average_ranks_of_another() -> None:
    # Derrac et al. (2011), tables 7 and 8: errors of four algorithms on four problems
    found = critical_groups(
        {
            "A": {1: 2.711, 2: 7.832, 3: 0.012, 4: 3.431},
            "B": {1: 3.147, 2: 9.828, 3: 0.532, 4: 4.111},
            "C": {1: 2.515, 2: 7.832, 3: 0.122, 4: 3.401},
            "D": {1: 2.612, 2: 7.921, 3: 0.005, 4: 3.401},
        },
        higher=False,
    )
    assert found.average_ranks == {"C": 1.75, "D": 1.875, "A": 2.375, "B": 4}
    assert found.text == "insufficient tasks (n=4, needs at least 8)"
    assert found.groups == (("C", "D", "A", "B"),)


def test_groups_by_hand() -> None:
    # a beats b on 8 of 8 tasks, both beat c; d and c take turns: Holm's smallest p is 6·2/256 < 5%
    tasks = range(8)
    found = critical_groups({
        "c": {t: 0.3 + 0.001 * (-1) ** t * (t + 1) for t in tasks},
        "a": {t: 0.9 + 0.01 * t for t in tasks},
        "d": dict.fromkeys(tasks, 0.3),
        "b": {t: 0.8 + 0.011 * t for t in tasks},
    })  # fmt: skip
    assert found.groups == (("a",), ("b",), ("c", "d"))
    assert {pair for pair, p in found.adjusted.items() if p < 0.05} == {
        ("a", "b"), ("a", "c"), ("a", "d"), ("b", "c"), ("b", "d"),
    }  # fmt: skip
    assert found.average_ranks == {"a": 1, "b": 2, "c": 3.5, "d": 3.5}
    assert found.text == "methods differ (8 tasks, Friedman p=7.9e-05)"


def test_two_methods_need_no_friedman() -> None:
    found = critical_groups(
        {"a": {t: t + 1.0 for t in range(6)}, "b": dict.fromkeys(range(6), 0.0)}
    )
    assert (found.friedman_p, found.groups) == (None, (("a",), ("b",)))
    assert found.text == "methods differ (6 tasks)"


def test_too_few_tasks_ask_nothing() -> None:
    found = critical_groups(
        {"a": {t: t + 1.0 for t in range(5)}, "b": dict.fromkeys(range(5), 0.0)}
    )
    assert (found.groups, found.adjusted) == ((("a", "b"),), {})
    assert found.text == "insufficient tasks (n=5, needs at least 6)"


def test_a_task_that_one_has_no_score_of_is_left_out() -> None:
    scores = field(DEMSAR)
    del scores["C4.5+cf"][0]
    rest = {label: {t: v for t, v in x.items() if t} for label, x in field(DEMSAR).items()}
    assert critical_groups(scores) == critical_groups(rest)
    assert critical_groups(scores).n_tasks == 13


@pytest.mark.parametrize("higher", [True, False])
def test_a_lost_task_ranks_worst_and_two_lost_ones_tie(higher: bool) -> None:
    found = critical_groups({"a": {0: 1.0, 1: None}, "b": {0: None, 1: None}}, higher=higher)
    assert found.average_ranks == {"a": 1.25, "b": 1.75}


def test_losing_many_tasks_is_told_apart() -> None:
    always = {t: 0.5 + 0.01 * t for t in range(8)}
    never: dict[int, float | None] = dict.fromkeys(range(8))
    assert critical_groups({"a": always, "b": never}).groups == (("a",), ("b",))
    three = critical_groups({"a": always, "b": never, "c": dict(never)})
    assert (three.groups, three.adjusted["b", "c"]) == ((("a",), ("b", "c")), 1)


def test_nothing_to_compare() -> None:
    for scores in ({}, {"a": {}}, {"a": {0: 0.5}, "b": {1: 0.5}}):
        found = critical_groups(scores)
        assert (dict(found.average_ranks), found.groups, found.n_tasks) == ({}, (), 0)
        assert found.text == "no task has a score of every method"


def test_one_method_and_equal_methods() -> None:
    assert critical_groups({"a": {0: 0.5}}).groups == (("a",),)
    same = critical_groups({label: dict.fromkeys(range(12), 0.5) for label in "abc"})
    assert (same.friedman_p, same.groups) == (1, (("a", "b", "c"),))


def test_what_makes_no_sense_is_refused() -> None:
    with pytest.raises(ValueError, match="level"):
        critical_groups({}, level=1)
    with pytest.raises(ValueError, match="to rank must be a number"):
        critical_groups({"a": {0: math.nan}})


scores = st.integers(3, 5).flatmap(
    lambda k: st.lists(
        st.lists(st.integers(0, 30), min_size=k, max_size=k), min_size=8, max_size=14
    )
)


@given(scores)
def test_friedman_s_p_is_scipy_s(rows: list[list[int]]) -> None:
    columns = list(zip(*rows, strict=True))
    found = critical_groups({j: dict(enumerate(map(float, c))) for j, c in enumerate(columns)})
    if any(len(set(row)) > 1 for row in rows):
        theirs = scipy.stats.friedmanchisquare(*columns).pvalue
        assert found.friedman_p == pytest.approx(theirs)


@given(scores)
def test_any_growing_scale_gives_the_same_ranks(rows: list[list[int]]) -> None:
    columns = list(zip(*rows, strict=True))
    one = critical_groups({j: dict(enumerate(map(float, c))) for j, c in enumerate(columns)})
    turned = {j: {t: -float(v) for t, v in enumerate(c)} for j, c in enumerate(columns)}
    assert critical_groups(turned, higher=False) == one
    assert sum(one.average_ranks.values()) == pytest.approx(len(columns) * (len(columns) + 1) / 2)
    assert {label for group in one.groups for label in group} == set(range(len(columns)))


graphs = st.integers(0, 6).flatmap(
    lambda k: st.tuples(
        st.just(k), st.sets(st.sampled_from(list(combinations(range(k), 2)) or [()]))
    )
)


@given(graphs)
def test_groups_are_the_longest_runs_of_which_any_two_are_alike(
    graph: tuple[int, set[tuple[int, int]]],
) -> None:
    k, edges = graph

    def clique(group: range) -> bool:
        return all(pair in edges for pair in combinations(group, 2))

    every = [range(i, j) for i in range(k) for j in range(i + 1, k + 1) if clique(range(i, j))]
    longest = [g for g in every if not any(set(g) < set(h) for h in every)]
    found = runs(range(k), lambda a, b: (a, b) in edges)
    assert found == tuple(tuple(group) for group in longest)
