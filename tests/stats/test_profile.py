from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lth_bench.stats import performance_profile

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
