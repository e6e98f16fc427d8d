from __future__ import annotations

import math

import pytest
import scipy.stats
from hypothesis import given
from hypothesis import strategies as st

from lth_bench.stats import ranks

fields = st.dictionaries(st.integers(), st.integers(-5, 5) | st.none(), max_size=12)


@given(st.dictionaries(st.integers(), st.integers(-5, 5), min_size=1))
def test_equals_scipy(values: dict[int, int]) -> None:
    assert list(ranks(values, higher=False).values()) == list(
        scipy.stats.rankdata(list(values.values()))
    )


def test_a_published_example() -> None:
    # Demšar (2006), table 6: the data set "iris"
    auc = {"C4.5": 0.936, "C4.5+m": 0.931, "C4.5+cf": 0.916, "C4.5+m+cf": 0.931}
    assert ranks(auc) == {"C4.5": 1, "C4.5+m": 2.5, "C4.5+cf": 4, "C4.5+m+cf": 2.5}


@given(fields)
def test_they_sum_to_that_of_the_places(values: dict[int, float | None]) -> None:
    k = len(values)
    assert sum(ranks(values).values()) == k * (k + 1) / 2


@given(fields)
def test_turning_the_direction_turns_the_places(values: dict[int, float | None]) -> None:
    finite = {key: value for key, value in values.items() if value is not None}
    down = ranks(finite, higher=False)
    assert ranks(finite) == {key: len(finite) + 1 - place for key, place in down.items()}


@pytest.mark.parametrize("higher", [True, False])
def test_what_was_lost_is_worst(higher: bool) -> None:
    assert ranks({"a": None, "b": 0.1, "c": None, "d": 0.2}, higher) == {
        "a": 3.5, "b": 2 if higher else 1, "c": 3.5, "d": 1 if higher else 2,
    }  # fmt: skip


def test_nothing_and_nan() -> None:
    assert ranks({}) == {}
    with pytest.raises(ValueError, match="to rank must be a number, but got nan"):
        ranks({"a": math.nan})
