from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lth_bench.stats import holm, judge_tasks, tasks_needed, wilcoxon

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
