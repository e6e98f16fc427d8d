"""Convex polygons: by hand, by their support functions, and where they are flat."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from planar_networks import around, support

from lth_bench.geometry import area, centroid, convex_hull, diameter, hausdorff, size_normalised

SQUARE = np.array([[0.0, 0], [2, 0], [2, 2], [0, 2]])


def test_a_hull_has_corners_alone_and_goes_round_counter_clockwise() -> None:
    inner = np.array([[1.0, 1], [1, 0], [2, 1], [0.5, 1.5]])
    hull = convex_hull(np.concatenate([inner, SQUARE[::-1]]))
    assert sorted(map(tuple, hull)) == sorted(map(tuple, SQUARE))
    assert area(hull) == pytest.approx(4)


@pytest.mark.parametrize(
    ("points", "corners"),
    [
        ([[3, 1]], [(3, 1)]),
        ([[3, 1], [3, 1], [3, 1]], [(3, 1)]),
        ([[0, 0], [1, 1]], [(0, 0), (1, 1)]),
        ([[0, 0], [3, 3], [1, 1], [2, 2]], [(0, 0), (3, 3)]),
        ([[0, 0], [1e6, 1e6], [5e5, 5e5 + 1e-10]], [(0, 0), (1e6, 1e6)]),
    ],
)
def test_points_on_a_line_make_a_segment_and_equal_ones_a_point(points, corners) -> None:
    found = convex_hull(np.array(points, dtype=float))
    assert sorted(map(tuple, found)) == corners
    assert area(found) == pytest.approx(0, abs=1e-9)


def test_area_centroid_and_diameter_by_hand() -> None:
    triangle = np.array([[1.0, 1], [4, 1], [1, 5]])
    assert area(triangle) == pytest.approx(6)
    assert centroid(triangle) == pytest.approx([2, 7 / 3])
    assert diameter(triangle) == pytest.approx(5)
    assert centroid(np.array([[0.0, 0], [4, 2]])) == pytest.approx([2, 1])
    assert diameter(np.array([[7.0, 7]])) == 0


def test_the_centroid_of_the_area_is_not_the_mean_of_the_corners() -> None:
    cut = np.array([[0.0, 0], [4, 0], [4, 4], [0.1, 4], [0, 3.9]])
    assert centroid(cut) == pytest.approx([2, 2], abs=0.01)
    assert np.abs(cut.mean(axis=0) - 2).max() > 0.3


def test_edges_count_in_a_hausdorff_distance_and_not_the_corners_alone() -> None:
    """Each rectangle's corners are sqrt 2 from the other's; between corners alone, a segment over
    the middle of an edge would be too far from it.
    """
    large = np.array([[0.0, 0], [6, 0], [6, 4], [0, 4]])
    inner = np.array([[1.0, 1], [5, 1], [5, 3], [1, 3]])
    assert hausdorff(large, inner) == pytest.approx(np.sqrt(2))
    beside = np.array([[2.0, 5], [4, 5]])
    assert hausdorff(large, beside) == pytest.approx(np.sqrt(4 + 25))
    assert hausdorff(np.array([[3.0, 5]]), np.array([[0.0, 4], [6, 4]])) == pytest.approx(
        np.sqrt(10)
    )


@given(st.integers(0, 10_000), st.integers(1, 9), st.integers(1, 9))
def test_a_hausdorff_distance_is_the_largest_difference_of_support_functions(
    seed: int, n: int, m: int
) -> None:
    """Which is another theorem about convex sets, and shares no code with the distance."""
    rng = np.random.default_rng(seed)
    one = convex_hull(rng.normal(size=(n, 2)))
    other = convex_hull(rng.normal(size=(m, 2)) + rng.normal(size=2))
    directions = around(20_000)
    by_support = np.abs(support(one, directions) - support(other, directions)).max()
    found = hausdorff(one, other)
    assert found == hausdorff(other, one)
    assert by_support <= found + 1e-9
    assert found == pytest.approx(by_support, rel=1e-3, abs=1e-3)
    assert hausdorff(one, one) == 0


@given(st.integers(0, 10_000), st.floats(0.01, 100), st.floats(-100, 100))
def test_size_and_place_are_normalised_away(seed: int, factor: float, shift: float) -> None:
    polygon = convex_hull(np.random.default_rng(seed).normal(size=(6, 2)))
    moved = factor * polygon + np.array([shift, -shift])
    assert hausdorff(size_normalised(polygon), size_normalised(moved)) == pytest.approx(0, abs=1e-9)
    assert diameter(size_normalised(moved)) == pytest.approx(1)


def test_a_point_has_no_size() -> None:
    with pytest.raises(ValueError, match="no size"):
        size_normalised(np.array([[1.0, 2]]))
