from __future__ import annotations

import math

import numpy as np
import pytest
import scipy.stats
from hypothesis import given
from hypothesis import strategies as st

from lth_bench.stats import differences, paired_interval, t_interval

accuracies = st.lists(st.floats(0, 1), min_size=2, max_size=30)


@given(accuracies, st.sampled_from([0.5, 0.9, 0.95, 0.99]))
def test_equals_scipy(values: list[float], level: float) -> None:
    found = t_interval(values, level)
    error = float(scipy.stats.sem(values))
    if error < 1e-12:
        assert found.low == pytest.approx(found.high, abs=1e-10)
        return
    low, high = scipy.stats.t.interval(level, len(values) - 1, float(np.mean(values)), error)
    assert found.mean == pytest.approx(float(np.mean(values)), abs=1e-12)
    assert (found.low, found.high) == pytest.approx((low, high), rel=1e-9, abs=1e-9)
    assert found.n == len(values)


def test_a_published_example() -> None:
    # Student's sleep data (1908), extra hours with the second drug less the first, n = 10:
    # mean 1.58, 95% interval 0.70 to 2.46, in every textbook and in R's ?t.test
    first = [0.7, -1.6, -0.2, -1.2, -0.1, 3.4, 3.7, 0.8, 0.0, 2.0]
    second = [1.9, 0.8, 1.1, 0.1, -0.1, 4.4, 5.5, 1.6, 4.6, 3.4]
    found = paired_interval(dict(enumerate(second)), dict(enumerate(first)))
    assert (found.mean, found.low, found.high) == pytest.approx((1.58, 0.7001142, 2.4598858))


@given(accuracies, st.floats(-1, 1), st.floats(0.1, 10))
def test_shifts_and_scales_with_the_values(values: list[float], shift: float, scale: float) -> None:
    a = t_interval(values)
    b = t_interval([scale * v + shift for v in values])
    assert b.mean == pytest.approx(scale * a.mean + shift, abs=1e-9)
    assert b.half_width == pytest.approx(scale * (a.half_width or 0.0), abs=1e-7)


@given(st.permutations([0.91, 0.92, 0.95, 0.9, 0.93]))
def test_the_order_does_not_matter(values: list[float]) -> None:
    assert t_interval(values) == pytest.approx(t_interval(sorted(values)), abs=1e-15)


@given(accuracies)
def test_a_higher_level_is_wider(values: list[float]) -> None:
    narrow, wide = t_interval(values, 0.9), t_interval(values, 0.99)
    assert (wide.half_width or 0) >= (narrow.half_width or 0)


def test_one_value_tells_nothing_about_the_spread() -> None:
    found = t_interval([0.5])
    assert found == (0.5, None, None, 1)
    assert found.half_width is None


@pytest.mark.parametrize(
    ("values", "level", "message"),
    [
        ([], 0.95, "at least one value"),
        ([0.1, math.nan], 0.95, "finite"),
        ([0.1, math.inf], 0.95, "finite"),
        ([0.1, 0.2], 0.0, r"\(0, 1\), but got 0"),
        ([0.1, 0.2], 1.0, r"\(0, 1\), but got 1"),
    ],
)
def test_what_makes_no_sense_is_refused(values: list[float], level: float, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        t_interval(values, level)


@pytest.mark.parametrize("n", [3, 5, 10])
def test_coverage_on_normal_data_is_what_it_says(n: int) -> None:
    draws = np.random.default_rng(7).normal(0.9, 0.01, (4000, n))
    covered = 0
    for row in draws:
        found = t_interval(row)
        covered += (found.low or 0) <= 0.9 <= (found.high or 1)
    assert 0.93 <= covered / 4000 <= 0.97


# pairs


def test_differences_are_of_the_common_seeds() -> None:
    assert differences({0: 0.5, 1: 0.25, 7: 1.0}, {1: 0.125, 0: 0.25, 9: 0.0}) == {
        0: 0.25, 1: 0.125
    }  # fmt: skip


@given(st.dictionaries(st.integers(), st.floats(0, 1), min_size=1), st.floats(0, 1))
def test_a_constant_gap_has_no_spread(values: dict[int, float], gap: float) -> None:
    found = paired_interval(values, {k: v - gap for k, v in values.items()})
    assert found.mean == pytest.approx(gap, abs=1e-12)
    if found.n > 1:
        assert found.half_width == pytest.approx(0, abs=1e-10)


@given(st.dictionaries(st.integers(0, 50), st.tuples(st.floats(0, 1), st.floats(0, 1)), min_size=2))
def test_swapping_the_sides_turns_the_sign(pairs: dict[int, tuple[float, float]]) -> None:
    a = {k: x for k, (x, _) in pairs.items()}
    b = {k: y for k, (_, y) in pairs.items()}
    one, other = paired_interval(a, b), paired_interval(b, a)
    assert one.mean == -other.mean
    assert one.low is not None
    assert other.high is not None
    assert one.low == pytest.approx(-other.high, abs=1e-15)


def test_no_common_seed_is_said() -> None:
    with pytest.raises(ValueError, match=r"no common seed: one side has \[0\], the other \[1\]"):
        paired_interval({0: 0.5}, {1: 0.5})
