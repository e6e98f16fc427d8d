from __future__ import annotations

import math

import numpy as np
import pytest
import scipy.stats
from hypothesis import assume, given
from hypothesis import strategies as st

from lth_bench.stats import minimum_detectable_effect, seeds_needed

deviations = st.floats(1e-4, 10)
powers = st.floats(0.1, 0.99)
levels = st.sampled_from([0.9, 0.95, 0.99])


@pytest.mark.parametrize(("effect", "n"), [(0.2, 199), (0.5, 34), (0.8, 15)])
def test_pairs_for_cohen_s_small_medium_and_large_effect(effect: float, n: int) -> None:
    # G*Power 3, "difference between two dependent means", two tails, α = 0.05, power 0.8
    assert seeds_needed(effect, 1.0) == n


def test_a_published_example() -> None:
    # Dalgaard, Introductory Statistics with R, section 8.3: a difference of 10, a deviation of
    # 10·√2, a power of 85%: n = 19.96892 pairs, so 20
    assert seeds_needed(10, 10 * math.sqrt(2), power=0.85) == 20
    at_19, at_20 = (minimum_detectable_effect(10 * math.sqrt(2), n, 0.85) for n in (19, 20))
    assert at_20 < 10 < at_19
    # the effect falls smoothly, so between 19 and 20 a straight line finds the same n
    assert 19 + (at_19 - 10) / (at_19 - at_20) == pytest.approx(19.96892, abs=0.005)


@given(st.integers(2, 200), powers, levels)
def test_scipy_s_noncentral_t_has_that_power_there(n: int, power: float, level: float) -> None:
    shift = minimum_detectable_effect(1.0, n, power, level) * math.sqrt(n)
    assume(shift < 150)  # n = 2 at 99%: scipy's own inverse has three digits there
    critical = scipy.stats.t.ppf((1 + level) / 2, n - 1)
    assert scipy.stats.nct.sf(critical, n - 1, shift) == pytest.approx(power, abs=1e-4)


@pytest.mark.parametrize("n", [3, 5, 10])
def test_by_simulation_80_percent_find_the_detectable_effect(n: int) -> None:
    effect = minimum_detectable_effect(0.01, n)
    draws = np.random.default_rng(5).normal(effect, 0.01, (40_000, n))
    p = scipy.stats.ttest_1samp(draws, 0, axis=1).pvalue
    found = np.mean((p < 0.05) & (draws.mean(axis=1) > 0))
    assert found == pytest.approx(0.8, abs=4 * math.sqrt(0.8 * 0.2 / 40_000))


@given(deviations, st.integers(2, 300), powers, levels)
def test_more_seeds_detect_less(deviation: float, n: int, power: float, level: float) -> None:
    assert minimum_detectable_effect(deviation, n + 1, power, level) < minimum_detectable_effect(
        deviation, n, power, level
    )


@given(deviations, st.integers(2, 300), powers, levels)
def test_the_two_are_each_other_s_inverse(
    deviation: float, n: int, power: float, level: float
) -> None:
    effect = minimum_detectable_effect(deviation, n, power, level)
    assert seeds_needed(effect, deviation, power, level) == n
    # a little less of an effect takes one seed more
    assert seeds_needed(effect * (1 - 1e-6), deviation, power, level) == n + 1


@given(st.floats(0.1, 2), deviations, st.floats(0.01, 100))
def test_only_the_ratio_of_effect_and_deviation_matters(
    effect: float, deviation: float, scale: float
) -> None:
    n = seeds_needed(effect * deviation, deviation)
    assert n is not None
    scaled = seeds_needed(scale * effect * deviation, scale * deviation)
    assert scaled is not None
    assert abs(scaled - n) <= 1  # roundoff at the border
    assert seeds_needed(-effect * deviation, deviation) == n


@given(st.integers(2, 100), st.floats(0.1, 0.9), st.floats(0.01, 0.09))
def test_more_power_or_confidence_needs_a_larger_effect(n: int, power: float, more: float) -> None:
    base = minimum_detectable_effect(1, n, power, 0.9)
    assert minimum_detectable_effect(1, n, power + more, 0.9) > base
    assert minimum_detectable_effect(1, n, power, 0.9 + more) > base


def test_the_edges() -> None:
    assert seeds_needed(0.0, 0.1) is None  # no number of seeds shows that nothing is something
    assert seeds_needed(0.1, 0.0) == 2  # without a spread the least there can be
    assert minimum_detectable_effect(0.0, 5) == 0
    assert seeds_needed(0.5, 1.0, most=33) is None
    assert seeds_needed(0.5, 1.0, most=34) == 34
    assert seeds_needed(0.01, 1.0) is None


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (dict(deviation=-1.0, n=3), "deviation .* but got -1"),
        (dict(deviation=math.nan, n=3), "deviation .* but got nan"),
        (dict(deviation=math.inf, n=3), "deviation .* but got inf"),
        (dict(deviation=1.0, n=1), "n of at least 2, but got 1"),
        (dict(deviation=1.0, n=3, power=1.0), r"power must lie in \(0.025, 1\) at level 0.95"),
        (dict(deviation=1.0, n=3, power=0.02), r"power must lie in \(0.025, 1\)"),
        (dict(deviation=1.0, n=3, level=1.0), r"level must lie in \(0, 1\), but got 1"),
    ],
)
def test_what_makes_no_sense_is_refused(arguments: dict[str, float], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        minimum_detectable_effect(**arguments)  # type: ignore[arg-type]


def test_an_effect_is_a_number() -> None:
    with pytest.raises(ValueError, match="effect must be a number"):
        seeds_needed(math.nan, 1.0)
