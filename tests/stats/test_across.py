from __future__ import annotations

import math

import pytest
import scipy.stats
from hypothesis import given
from hypothesis import strategies as st

from lth_bench.stats import (
    holm,
    interquartile_mean,
    judge_tasks,
    performance_profile,
    probability_of_improvement,
    tasks_needed,
    wilcoxon,
)

fields = st.dictionaries(
    st.integers(0, 4), st.dictionaries(st.integers(0, 20), st.integers(-9, 9)), max_size=4
)
TURNED = {"better": "worse", "worse": "better"}


def tasks(*differences: float) -> dict[int, float]:
    return dict(enumerate(differences))


def test_the_verdicts_by_hand() -> None:
    found = judge_tasks({
        "up": tasks(1, 2, 3, 4, 5, 6, 7, 8),
        "down": tasks(1, -2, -3, -4, -5, -6, -7, -8),
        "mixed": tasks(1, -2, 3, -4, 5, -6, 7, -8),
        "few": tasks(1, 2, 3),
    })  # fmt: skip
    assert {label: x.text for label, x in found.items()} == {
        "up": "better on 8 of 8 tasks",
        "down": "worse on 7 of 8 tasks",
        "mixed": "no difference found",
        "few": "insufficient tasks (n=3, needs at least 8)",
    }
    # 2 of 256 signs, and 4; times 4 and 3 labels
    assert (found["up"].p, found["down"].p) == (2 / 256, 4 / 256)
    assert (found["up"].adjusted, found["down"].adjusted) == (8 / 256, 12 / 256)
    assert (found["mixed"].wins, found["mixed"].losses, found["mixed"].mean) == (4, 4, -0.5)


def test_a_lost_task_counts_as_the_largest_loss() -> None:
    lost = judge_tasks({"a": tasks(*range(1, 11), -math.inf)})["a"]
    largest = judge_tasks({"a": tasks(*range(1, 11), -1000)})["a"]
    assert lost.p == largest.p == 2 * 55 / 2**11  # 55 of the subsets of 1 to 11 sum to 11 or less
    assert (lost.n, lost.wins, lost.losses, lost.mean) == (11, 10, 1, 5.5)


def test_where_less_is_better() -> None:
    cheaper = tasks(*range(-8, 0))
    assert judge_tasks({"a": cheaper}, higher=False)["a"].text == "better on 8 of 8 tasks"
    assert judge_tasks({"a": cheaper})["a"].text == "worse on 8 of 8 tasks"


@given(fields)
def test_the_numbers_are_those_of_the_functions(fields: dict[int, dict[int, float]]) -> None:
    found = judge_tasks(fields)
    raw = {label: wilcoxon(d.values()) if d else 1.0 for label, d in fields.items()}
    assert {label: x.p for label, x in found.items()} == raw
    assert {label: x.adjusted for label, x in found.items()} == holm(raw)
    for label, x in found.items():
        assert (x.kind in TURNED) == (x.adjusted < 0.05)
        assert x.n == len(fields[label]) >= x.wins + x.losses


@given(fields)
def test_turning_the_differences_turns_the_verdict(fields: dict[int, dict[int, float]]) -> None:
    turned = {label: {t: -d for t, d in x.items()} for label, x in fields.items()}
    for label, x in judge_tasks(turned).items():
        one = judge_tasks(fields)[label]
        assert x.kind == TURNED.get(one.kind, one.kind)
        assert x.kind == judge_tasks(fields, higher=False)[label].kind


def test_no_task_and_no_label() -> None:
    assert judge_tasks({}) == {}
    found = judge_tasks({"a": {}})["a"]
    assert (found.text, found.mean) == ("insufficient tasks (n=0, needs at least 6)", None)
    ties = judge_tasks({"a": tasks(*[0.0] * 9)})["a"]
    assert (ties.text, ties.wins, ties.losses) == ("no difference found", 0, 0)


@pytest.mark.parametrize(("comparisons", "needed"), [(0, 6), (1, 6), (3, 7), (6, 8), (21, 10)])
def test_tasks_needed_is_where_the_smallest_p_becomes_significant(
    comparisons: int, needed: int
) -> None:
    assert tasks_needed(comparisons) == needed
    count = max(1, comparisons)
    assert count * wilcoxon(range(1, needed + 1)) < 0.05 <= count * wilcoxon(range(1, needed))


def test_what_makes_no_sense_is_refused() -> None:
    with pytest.raises(ValueError, match="level"):
        judge_tasks({}, level=0)
    with pytest.raises(ValueError, match="needs numbers"):
        judge_tasks({"a": tasks(1, math.nan)})


values = st.lists(st.floats(-1, 1), min_size=1, max_size=30)
few = st.lists(st.integers(0, 3), min_size=1, max_size=10)


@given(values)
def test_the_interquartile_mean_is_scipy_s(x: list[float]) -> None:
    assert interquartile_mean(x) == pytest.approx(scipy.stats.trim_mean(x, 0.25), abs=1e-12)


def test_the_interquartile_mean_by_hand() -> None:
    assert interquartile_mean([100, 1, 2, -100]) == 1.5
    assert interquartile_mean([1, 2, 6]) == 3  # nothing to leave out
    assert interquartile_mean([0, 1, 2, 3, 4, 5, 6, 1000]) == 3.5


@given(values, st.floats(-1, 1), st.floats(0.1, 10))
def test_the_interquartile_mean_shifts_and_scales(
    x: list[float], shift: float, scale: float
) -> None:
    moved = interquartile_mean([scale * value + shift for value in x])
    assert moved == pytest.approx(scale * interquartile_mean(x) + shift, abs=1e-9)
    assert min(x) - 1e-12 <= interquartile_mean(x) <= max(x) + 1e-12


@given(few, few)
def test_the_chance_to_improve_is_scipy_s_u(a: list[int], b: list[int]) -> None:
    u = scipy.stats.mannwhitneyu(a, b, method="exact").statistic
    assert probability_of_improvement(a, b) == pytest.approx(u / (len(a) * len(b)))


@given(few, few)
def test_the_chances_of_both_sides_make_one(a: list[int], b: list[int]) -> None:
    assert probability_of_improvement(a, b) == pytest.approx(1 - probability_of_improvement(b, a))
    assert probability_of_improvement(a, a) == 0.5


def test_the_chance_to_improve_by_hand() -> None:
    # of six pairs 2 beats 1, 3 beats 1 and 2; 2 ties with 2; 1 beats none
    assert probability_of_improvement([2, 3, 1], [1, 2]) == pytest.approx((1 + 0.5 + 2 + 0.5) / 6)


@pytest.mark.parametrize("x", [[], [0.1, math.nan], [-math.inf]])
def test_means_of_what_makes_no_sense_are_refused(x: list[float]) -> None:
    with pytest.raises(ValueError, match="an interquartile mean needs"):
        interquartile_mean(x)
    with pytest.raises(ValueError, match="a chance to improve needs"):
        probability_of_improvement([0.5], x)


costs = st.integers(1, 5).flatmap(
    lambda n: st.dictionaries(
        st.integers(0, 4),
        st.lists(st.none() | st.integers(0, 20), min_size=n, max_size=n).map(
            lambda row: dict(enumerate(row))
        ),
        min_size=1,
    )
)
RATIOS = (1, 1.25, 1.5, 2, 4, 10, 100)


def test_by_hand() -> None:
    # ratios to the best: a 1, 1, 2, never; b 2, 1, 1, never; c 1.5, never, 4, never
    found = performance_profile(
        {
            "a": {"w": 10, "x": 3, "y": 4, "z": None},
            "b": {"w": 20, "x": 3, "y": 2, "z": None},
            "c": {"w": 15, "x": None, "y": 8, "z": math.inf},
        },
        [1, 1.5, 2, 4, 1e9],
    )
    assert found == {
        "a": (0.5, 0.5, 0.75, 0.75, 0.75),
        "b": (0.5, 0.5, 0.75, 0.75, 0.75),
        "c": (0, 0.25, 0.25, 0.5, 0.5),
    }


@given(costs)
def test_a_larger_ratio_does_no_fewer_tasks(costs: dict[int, dict[int, float | None]]) -> None:
    for profile in performance_profile(costs, RATIOS).values():
        assert list(profile) == sorted(profile)
        assert all(0 <= share <= 1 for share in profile)


@given(costs)
def test_at_1_each_task_that_is_done_has_a_cheapest(
    costs: dict[int, dict[int, float | None]],
) -> None:
    tasks = next(iter(costs.values()))
    done = sum(any(c[t] is not None for c in costs.values()) for t in tasks) / len(tasks)
    cheapest = [shares[0] for shares in performance_profile(costs, [1]).values()]
    assert max(cheapest) <= done + 1e-12 and sum(cheapest) >= done - 1e-12


@given(costs, st.sampled_from([0.5, 2, 1024]))
def test_the_unit_of_the_costs_does_not_matter(
    costs: dict[int, dict[int, float | None]], scale: float
) -> None:
    scaled = {
        label: {t: None if c is None else scale * c for t, c in row.items()}
        for label, row in costs.items()
    }
    assert performance_profile(scaled, RATIOS) == performance_profile(costs, RATIOS)


def test_a_task_that_one_owes_is_left_out() -> None:
    costs = {"a": {"x": 1, "y": 1}, "b": {"x": 2}}
    assert performance_profile(costs, [1, 2]) == {"a": (1, 1), "b": (0, 1)}


def test_beside_a_cost_of_0_only_0_is_good() -> None:
    costs = {"a": {"x": 0}, "b": {"x": 0.0}, "c": {"x": 1e-9}}
    assert performance_profile(costs, [1, 1e6]) == {"a": (1, 1), "b": (1, 1), "c": (0, 0)}


def test_the_edges() -> None:
    assert performance_profile({}, [1, 2]) == {}
    assert performance_profile({"a": {}}, [1, 2]) == {"a": (0, 0)}
    assert performance_profile({"a": {"x": 1}, "b": {"y": 1}}, [1]) == {"a": (0,), "b": (0,)}
    assert performance_profile({"a": {"x": None}}, [1, math.inf]) == {"a": (0, 0)}
    assert performance_profile({"a": {"x": 5}, "b": {"x": 50}}, [math.inf])["b"] == (1,)


@pytest.mark.parametrize("cost", [-1.0, math.nan])
def test_what_is_no_cost_is_refused(cost: float) -> None:
    with pytest.raises(ValueError, match=r"a cost is at least 0, but 'a' has .* at 'x'"):
        performance_profile({"a": {"x": cost}}, [1])


@pytest.mark.parametrize("ratio", [0.5, math.nan])
def test_what_is_no_ratio_is_refused(ratio: float) -> None:
    with pytest.raises(ValueError, match="at least 1, but got"):
        performance_profile({"a": {"x": 1}}, [1, ratio])
