from __future__ import annotations

import pytest

from lth_bench.analysis.measures import ACCURACY
from lth_bench.output.pictures.model import Axis, Trace
from lth_bench.output.pictures.ranges import (
    ALL,
    ERROR,
    NEAR,
    density_axis,
    dodges,
    limits,
    log_range,
    scales,
)


def trace(*values: float) -> Trace:
    return Trace(name="imp", control="none", look="line", x=range(len(values)), y=values)


def choose(traces: list[Trace], dense: float | None, settled: tuple[float, ...] = ()) -> list[Axis]:
    return scales(traces, dense, ACCURACY, "Test accuracy", settled)


def test_the_range_near_dense_is_four_times_the_lower_quartile() -> None:
    # sorted: .4 .9 .96 .97 .97 .98 .98 .98; the third begins the second quarter, .02 below dense
    axes = choose([trace(0.98, 0.4, 0.97, 0.9), trace(0.98, 0.97, 0.96, 0.98)], 0.98)
    assert [axis.choice for axis in axes] == [NEAR, ALL, ERROR]
    near, everything, error = (axis.range or (0.0, 0.0) for axis in axes)
    assert near[0] == pytest.approx(0.98 - 4 * 0.02)
    assert 0.98 < near[1] < 1
    assert everything[0] < 0.4
    assert error == pytest.approx((0.02 / 1.1, 0.6 * 1.1))
    assert (axes[2].scale, axes[2].complement, axes[2].reverse) == ("log", True, True)
    assert [axis.title for axis in axes] == ["Test accuracy"] * 2 + ["Test error"]


def test_the_range_near_dense_uses_final_values_of_curves() -> None:
    # the beginnings of learning curves are far below, and say nothing of how methods compare
    (near, *_) = choose([trace(0.1, 0.2, 0.5, 0.97, 0.98)], 0.98, (0.97, 0.98, 0.98, 0.98))
    assert near.choice == NEAR
    assert near.range is not None
    assert near.range[0] == pytest.approx(0.98 - 0.02)


def test_no_range_near_dense_if_all_values_are_near() -> None:
    assert [a.choice for a in choose([trace(0.98, 0.97, 0.965)], 0.98)] == [ALL, ERROR]


def test_ranges_without_dense_and_without_errors() -> None:
    assert [a.choice for a in choose([trace(0.98, 0.1)], None)] == [ALL, ERROR]
    assert [a.choice for a in choose([trace(1.0, 1.0)], 1.0)] == [ALL]
    assert [a.choice for a in choose([], 0.9)] == [ALL]


def test_the_whole_range_includes_every_mean() -> None:
    means = [0.90 + 0.01 * i for i in range(10)]
    assert limits([*means, 0.10], whole=True)[0] < 0.10 < limits([*means, 0.10])[0]


def test_a_logarithmic_range_covers_the_positive_values() -> None:
    assert log_range([0.0, 0.5, None, 2.0], 2) == pytest.approx((0.25, 4.0))
    low, high = log_range([])
    assert low < 1 < high


def test_densities_run_from_dense_to_sparse() -> None:
    axis = density_axis([0.2, 0.5, 0.2])
    assert (list(axis.ticks), axis.reverse, axis.scale) == ([0.5, 0.2], True, "log")
    assert axis.ends == pytest.approx((20 / 1.15, 50 * 1.15))
    assert axis.label == "Weights remaining (%)"


def test_points_are_dodged_by_less_than_half_way_to_the_next_density() -> None:
    shifts = dodges([0.5, 0.45], 3)
    assert shifts[1] == pytest.approx(1)
    assert shifts[0] > 1 > shifts[2]
    assert 0.45 * shifts[0] < 0.5 * shifts[2]
    assert dodges([0.5], 1) == [1.0]


def test_all_means_and_all_intervals_are_within() -> None:
    low, high = limits([0.90, 0.95], [0.89, None], [0.96, None])
    assert low < 0.89
    assert 0.96 < high < 0.97


def test_wide_intervals_are_cut_off_at_the_axis() -> None:
    low, high = limits([0.90, 0.95], [0.1, 0.2], [1.0, 1.7], (0, 1))
    assert low == pytest.approx(0.90 - 0.5 * 0.05 - 0.04 * 0.05)
    assert high == pytest.approx(0.95 + 0.5 * 0.05 + 0.04 * 0.05)


def test_a_collapsed_method_is_cut_off_at_the_axis() -> None:
    means = [0.90 + 0.01 * i for i in range(10)]
    low, high = limits([*means, 0.10], [], [])
    assert 0.75 < low < 0.90
    assert high > 0.99


def test_one_value_has_an_axis_around_it() -> None:
    low, high = limits([0.0], [], [])
    assert low < 0 < high
    low, high = limits([1.0], [None], [None], (0, 1))
    assert low < 1 < high
