from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from lth_bench.stats import Summary, t_interval

values = st.lists(st.floats(-1, 1), min_size=1, max_size=30)


@given(values)
def test_equals_numpy(x: list[float]) -> None:
    found = Summary.of(x)
    assert found.n == len(x)
    assert found.mean == pytest.approx(np.mean(x), abs=1e-12)
    if len(x) > 1:
        assert found.deviation == pytest.approx(np.std(x, ddof=1), abs=1e-9)


@given(values, st.sampled_from([0.5, 0.95]))
def test_its_interval_is_that_of_the_values(x: list[float], level: float) -> None:
    assert Summary.of(x).interval(level) == t_interval(x, level)


@given(st.permutations([0.1, 0.2, 0.4, 0.7]))
def test_the_order_does_not_matter(x: list[float]) -> None:
    assert Summary.of(x) == Summary.of(sorted(x))


def test_one_value_has_no_spread() -> None:
    found = Summary.of([0.25])
    assert found == Summary(1, 0.25, None)
    assert found.error is None


def test_equal_values_have_none_at_all() -> None:
    # the mean of three 0.1 is not 0.1 in floating point, and would leave a deviation of 1e-17
    assert Summary.of([0.1, 0.1, 0.1]) == Summary(3, 0.1, 0.0)
    assert Summary.of([0.1, 0.1, 0.1]).error == 0


def test_the_error_of_the_mean_by_hand() -> None:
    assert Summary.of([1, 2, 3, 4, 5]).error == pytest.approx(math.sqrt(2.5 / 5))


@pytest.mark.parametrize(
    ("n", "mean", "deviation", "message"),
    [
        (0, 0.0, None, "at least one value, but got n=0"),
        (3, math.nan, 0.1, "finite mean, but got nan"),
        (3, 0.1, None, "n=3 does not go with the deviation None"),
        (1, 0.1, 0.0, "n=1 does not go with the deviation 0.0"),
        (3, 0.1, -0.1, "at least 0, but got -0.1"),
        (3, 0.1, math.inf, "finite"),
        (3, 0.1, math.nan, "finite"),
    ],
)
def test_what_is_no_summary_is_refused(
    n: int, mean: float, deviation: float | None, message: str
) -> None:
    with pytest.raises(ValueError, match=message):
        Summary(n, mean, deviation)


@pytest.mark.parametrize("x", [[], [0.1, math.nan], [math.inf]])
def test_what_has_no_summary_is_refused(x: list[float]) -> None:
    with pytest.raises(ValueError, match="a summary needs"):
        Summary.of(x)
