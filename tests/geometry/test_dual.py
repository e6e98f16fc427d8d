"""Dual polygons: worked cases, and the identities that tie them to the network."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from planar_networks import around, drawn, network, support, worked, xor

from lth_bench.geometry import (
    PlanarNetwork,
    area,
    centroid,
    convex_hull,
    diameter,
    dual,
    hausdorff,
    size_normalised,
)


def corners(polygon) -> list[tuple[float, float]]:
    return sorted((round(x, 9) + 0.0, round(y, 9) + 0.0) for x, y in polygon)


def degrees(normals) -> list[float]:
    return sorted(np.degrees(np.arctan2(normals[:, 1], normals[:, 0])).round(4) % 360)


def test_three_units_by_hand() -> None:
    found = dual(worked())
    first, second = found.zonotopes
    assert corners(first) == [(2, 5), (4, 7), (6, 3), (8, 5)]
    assert corners(second) == [(4, 4), (6, 3), (7, 1), (9, 0)]
    assert corners(found.hull) == [(2, 5), (4, 7), (7, 1), (8, 5), (9, 0)]
    assert [area(x) for x in (first, second, found.hull)] == pytest.approx([12, 3, 22.5])
    assert centroid(found.hull) == pytest.approx([5 + 13 / 15, 3 + 13 / 15])
    assert diameter(found.hull) == pytest.approx(8.60233, abs=5e-6)
    assert hausdorff(first, second) == pytest.approx(3 * np.sqrt(2))
    apart = hausdorff(size_normalised(first), size_normalised(second))
    assert apart == pytest.approx(0.298338, abs=5e-7)
    assert degrees(found.normals) == pytest.approx([11.310, 360 - 128.660], abs=5e-4)


def test_outputs_of_three_units_by_hand() -> None:
    net = worked()
    assert net.outputs(np.array([[1.0, 2]])) == pytest.approx(np.array([[5.5, -2.5]]))
    points = np.array([[0.0, -2], [2, -1], [-1, -1], [0, -1], [3, 0]])
    assert net.contrasts(points) == pytest.approx([-2, -3, 3, 1, 1])
    assert net.has_biases and not xor().has_biases


def test_xor_by_hand() -> None:
    found = dual(xor())
    assert [corners(x) for x in found.zonotopes] == [[(1, 1), (3, 3)], [(1, 3), (3, 1)]]
    assert corners(found.hull) == [(1, 1), (1, 3), (3, 1), (3, 3)]
    assert degrees(found.normals) == pytest.approx([0, 90, 180, 270])


def by_definition(net: PlanarNetwork, x) -> tuple[list, list]:
    """H_k and Q_k at the points [m, 2], term by term."""
    low, high = np.maximum(-net.hidden, 0), np.maximum(net.hidden, 0)
    low_c, high_c = np.maximum(-net.hidden_bias, 0), np.maximum(net.hidden_bias, 0)
    linear = x @ low.T + low_c
    largest = np.maximum(x @ high.T + high_c, linear)
    plus, minus = np.maximum(net.output, 0), np.maximum(-net.output, 0)
    h = [largest @ plus[k] + linear @ minus[k] for k in (0, 1)]
    q = [largest @ minus[k] + linear @ plus[k] for k in (0, 1)]
    return h, q


def test_numerators_and_denominators_of_three_units_by_hand() -> None:
    h, q = by_definition(worked(), np.array([[1.0, 2]]))
    assert [float(x[0]) for x in (*h, *q)] == pytest.approx([12, 9, 7, 11])


@given(st.integers(0, 10_000), st.integers(1, 40), st.sampled_from([1.0, 0.6, 0.2]))
def test_the_outputs_are_differences_of_what_the_polygons_stand_for(
    seed: int, width: int, kept: float
) -> None:
    """f₁ − f₂ = (H₁ + Q₂ + d₁) − (H₂ + Q₁ + d₂). Without biases the two terms are the support
    functions of the zonotopes, which are computed from generators sorted by angle.
    """
    net = drawn(seed, width, kept=kept)
    x = np.random.default_rng(seed + 1).normal(size=(50, 2)) * 3
    h, q = by_definition(net, x)
    d = net.output_bias
    assert net.contrasts(x) == pytest.approx(h[0] + q[1] + d[0] - (h[1] + q[0] + d[1]), abs=1e-10)
    zero = np.zeros(width)
    h, q = by_definition(replace(net, hidden_bias=zero), x)
    found = dual(net)
    assert support(found.zonotopes[0], x) == pytest.approx(h[0] + q[1], abs=1e-10)
    assert support(found.zonotopes[1], x) == pytest.approx(h[1] + q[0], abs=1e-10)
    largest = np.maximum(h[0] + q[1], h[1] + q[0])
    assert support(found.hull, x) == pytest.approx(largest, abs=1e-10)


@given(st.integers(0, 10_000), st.integers(1, 30))
def test_without_biases_the_boundary_is_the_normals_of_the_bridges(seed: int, width: int) -> None:
    """Each normal is on it; and the sign of f₁ − f₂ changes nowhere else around the circle. (Where
    all units are off both outputs are 0, and neither class has a region's edge there.)
    """
    net = drawn(seed, width, biases=False)
    normals = dual(net).normals
    scale = np.abs(net.contrasts(around(360))).max()
    assert np.abs(net.contrasts(normals)).max(initial=0) <= 1e-9 * scale
    signs = np.sign(net.contrasts(around(5000)))
    changes = int((signs * np.roll(signs, 1) < 0).sum())
    assert changes <= len(normals)
    if len(normals) > 1:
        angles = np.sort(np.arctan2(normals[:, 1], normals[:, 0]))
        if np.diff([*angles, angles[0] + 2 * np.pi]).min() > 0.01:
            assert changes == len(normals)


@given(st.integers(0, 10_000))
def test_the_hull_depends_on_no_bias_and_is_not_decided_by_the_boundary(seed: int) -> None:
    net = drawn(seed, 7)
    own = dual(net).hull
    moved = replace(net, hidden_bias=net.hidden_bias + 3, output_bias=np.zeros(2))
    assert hausdorff(dual(moved).hull, own) == pytest.approx(0, abs=1e-9)
    order, factor = np.random.default_rng(seed).permutation(7), np.linspace(0.5, 4, 7)
    same = PlanarNetwork(
        (net.hidden * factor[:, None])[order],
        (net.hidden_bias * factor)[order],
        (net.output / factor)[:, order],
        net.output_bias,
    )
    assert hausdorff(dual(same).hull, own) == pytest.approx(0, abs=1e-9)
    x = np.random.default_rng(seed).normal(size=(20, 2))
    other = replace(net, output=net.output + 1.5)
    assert other.contrasts(x) == pytest.approx(net.contrasts(x))
    assert hausdorff(dual(other).hull, own) > 1e-3


@pytest.mark.parametrize(
    ("net", "sizes"),
    [
        (network([[1, 0], [0, 1]], [0, 0], [[0, 0], [0, 0]], [0, 1]), (1, 1, 1)),  # a point
        (network([[1, 2]], [0], [[1], [0]], [0, 0]), (2, 1, 2)),  # a segment and its end
        (network([[1, 1], [2, 2], [-1, -1]], [0] * 3, [[1] * 3, [0] * 3], [0, 0]), (2, 1, 2)),
        (network(np.zeros((0, 2)), [], np.zeros((2, 0)), [0, 1]), (1, 1, 1)),
    ],
    ids=["nothing", "one unit", "parallel units", "no units"],
)
def test_flat_polygons(net, sizes) -> None:
    found = dual(net)
    assert tuple(len(x) for x in (*found.zonotopes, found.hull)) == sizes
    assert np.isfinite(found.normals).all()


def test_parallel_generators_make_one_edge() -> None:
    rng = np.random.default_rng(0)
    direction = rng.normal(size=2)
    hidden = np.concatenate([np.outer(rng.normal(size=30), direction), [[0.0, 1.0]]])
    net = PlanarNetwork(hidden, np.zeros(31), np.stack([np.ones(31), np.zeros(31)]), np.zeros(2))
    first = dual(net).zonotopes[0]
    assert len(first) == 4
    assert area(first) == pytest.approx(abs(np.abs(hidden[:30]).sum(axis=0)[0]))
    assert len(convex_hull(first)) == 4


@pytest.mark.parametrize("value", [np.inf, np.nan])
def test_numbers_that_are_not_finite_are_refused(value) -> None:
    with pytest.raises(ValueError, match="hidden_bias must be finite"):
        network([[1, 1]], [value], [[1], [1]], [0, 0])


def test_shapes_are_checked() -> None:
    with pytest.raises(ValueError, match=r"output must be \[2, 1\], but got \[1, 1\]"):
        network([[1, 1]], [0], [[1]], [0, 0])
