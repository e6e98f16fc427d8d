from __future__ import annotations

import pytest

from lth_bench.output.figures.axes import apart, limits, log_ticks


@pytest.mark.parametrize(
    ("low", "high", "ticks"),
    [
        (0.015, 3, [0.02, 0.05, 0.1, 0.2, 0.5, 1, 2]),
        (0.95, 2.5, [1, 1.2, 1.4, 1.6, 1.8, 2, 2.5]),
        (1e-5, 2, [1e-5, 1e-4, 1e-3, 1e-2, 0.1, 1]),
    ],
)
def test_ticks_of_logarithmic_axes(low, high, ticks) -> None:
    assert log_ticks(low, high) == pytest.approx(ticks)


def test_densities_too_close_to_each_other_share_a_tick() -> None:
    ladder = [0.8**i for i in range(1, 16)]
    assert apart([0.6, 0.36, 0.216, 0.13, 0.0467]) == [0.6, 0.36, 0.216, 0.13, 0.0467]
    assert apart(ladder) == pytest.approx([0.8**i for i in range(1, 16, 2)])
    assert apart([0.5, 0.49, 0.1]) == [0.5, 0.1]
    assert apart([0.5]) == [0.5]


def test_all_means_and_all_intervals_are_within() -> None:
    low, high = limits([0.90, 0.95], [0.89, None], [0.96, None])
    assert low < 0.89
    assert 0.96 < high < 0.97


def test_wide_intervals_run_out_rather_than_flatten_the_means() -> None:
    low, high = limits([0.90, 0.95], [0.1, 0.2], [1.0, 1.7], (0, 1))
    assert low == pytest.approx(0.90 - 0.5 * 0.05 - 0.04 * 0.05)
    assert high == pytest.approx(0.95 + 0.5 * 0.05 + 0.04 * 0.05)


def test_a_method_that_collapses_runs_out_too() -> None:
    means = [0.90 + 0.01 * i for i in range(10)]
    low, high = limits([*means, 0.10], [], [])
    assert 0.75 < low < 0.90
    assert high > 0.99


def test_one_value_has_an_axis_around_it() -> None:
    low, high = limits([0.0], [], [])
    assert low < 0 < high
    low, high = limits([1.0], [None], [None], (0, 1))
    assert low < 1 < high
