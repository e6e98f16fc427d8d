from __future__ import annotations

import math

import pytest
import scipy.stats
from hypothesis import given
from hypothesis import strategies as st

from lth_bench.stats import interquartile_mean, probability_of_improvement

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
def test_what_makes_no_sense_is_refused(x: list[float]) -> None:
    with pytest.raises(ValueError, match="an interquartile mean needs"):
        interquartile_mean(x)
    with pytest.raises(ValueError, match="a chance to improve needs"):
        probability_of_improvement([0.5], x)
