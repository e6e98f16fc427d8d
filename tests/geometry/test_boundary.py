"""The exact decision boundary against brute force on a grid, and by hand."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from planar_networks import around, drawn, network, worked, xor

from lth_bench.geometry import decision_boundary, dual


def distances(lines, places):
    """[m]: distances of the points [m, 2] from the lines."""
    starts = np.concatenate([line[:-1] for line in lines])
    edges = np.concatenate([np.diff(line, axis=0) for line in lines])
    offset = places[:, None] - starts
    at = (offset * edges).sum(axis=2) / (edges**2).sum(axis=1)
    nearest = starts + np.clip(at, 0, 1)[..., None] * edges
    return np.linalg.norm(places[:, None] - nearest, axis=2).min(axis=1)


def by_brute_force(net, reach: float, steps: int):
    """[m, 2]: where f₁ − f₂ changes its sign along the lines of a grid, by bisection."""
    ticks = np.linspace(-reach, reach, steps)
    rows = np.stack(np.meshgrid(ticks, ticks, indexing="ij"), axis=2)
    found = []
    for grid in (rows, rows.transpose(1, 0, 2)):
        sign = net.contrasts(grid.reshape(-1, 2)).reshape(steps, steps) > 0
        i, j = np.nonzero(sign[:, 1:] != sign[:, :-1])
        low, high, start = grid[i, j].copy(), grid[i, j + 1].copy(), sign[i, j]
        for _ in range(50):
            middle = (low + high) / 2
            same = (net.contrasts(middle) > 0) == start
            low[same], high[~same] = middle[same], middle[~same]
        found.append((low + high) / 2)
    return np.concatenate(found)


@settings(deadline=None)
@given(st.integers(0, 10_000), st.integers(1, 30), st.sampled_from([1.0, 0.5, 0.15]), st.booleans())
def test_it_is_what_a_grid_finds(seed: int, width: int, kept: float, biases: bool) -> None:
    net = drawn(seed, width, biases=biases, kept=kept)
    lines = decision_boundary(net, 3)
    crossings = by_brute_force(net, 3, 40)  # no point at 0, where a net without biases is 0
    if len(crossings):
        assert distances(lines, crossings).max() < 1e-6
    for line in lines:
        assert np.abs(line).max() <= 3 + 1e-9
        points = np.concatenate([line, (line[1:] + line[:-1]) / 2])
        assert np.abs(net.contrasts(points)).max() < 1e-9
        # the two classes are on its two sides, unless both outputs only touch along a unit's kink
        along = np.diff(line, axis=0)
        along /= np.linalg.norm(along, axis=1, keepdims=True)
        aside = 1e-7 * np.stack([-along[:, 1], along[:, 0]], axis=1)
        middle = (line[1:] + line[:-1]) / 2
        units = middle @ net.hidden.T + net.hidden_bias
        touches = ((abs(units) < 1e-12) & net.hidden.any(axis=1)).any(axis=1)
        sides = np.stack([net.contrasts(middle + aside), net.contrasts(middle - aside)])
        assert ((sides[0] * sides[1] <= 0) | touches).all()
        assert np.abs(sides).max(axis=0).min() > 1e-13  # it does not run through a tie


def test_a_hundred_units() -> None:
    net = drawn(3, 100)
    crossings = by_brute_force(net, 2, 101)
    lines = decision_boundary(net, 2)
    assert len(crossings) > 50 and distances(lines, crossings).max() < 1e-6


def test_three_units_by_hand() -> None:
    """At (t, 0) with t > 1 two units are on, and f₁ − f₂ = 2t − 3·(t − 1) + 1."""
    lines = decision_boundary(worked(), 5)
    assert distances(lines, np.array([[4.0, 0]])).max() < 1e-9


def test_the_boundary_of_xor_is_the_axes() -> None:
    lines = decision_boundary(xor(), 2)
    ends = {tuple(np.round(end, 9) + 0.0) for line in lines for end in (line[0], line[-1])}
    assert {(2.0, 0.0), (-2.0, 0.0), (0.0, 2.0), (0.0, -2.0)} <= ends
    assert sum(np.linalg.norm(np.diff(x, axis=0), axis=1).sum() for x in lines) == pytest.approx(8)


@given(st.integers(0, 10_000), st.integers(2, 12))
def test_with_biases_the_normals_of_the_bridges_are_its_unbounded_ends(
    seed: int, width: int
) -> None:
    net, far = drawn(seed, width), 1e7
    # where every unit is off in a whole cone, the biases decide there as well
    assume((drawn(seed, width, biases=False).contrasts(around(720)) != 0).all())
    ends = [end for line in decision_boundary(net, far) for end in (line[0], line[-1])]
    outside = np.array([end for end in ends if np.abs(end).max() > 0.99 * far]).reshape(-1, 2)
    found = outside / np.linalg.norm(outside, axis=1, keepdims=True)
    normals = dual(net).normals
    assert len(found) == len(normals)
    cosines = found @ normals.T
    assert (cosines.max(axis=0, initial=-1) > 1 - 1e-6).all()
    assert (cosines.max(axis=1, initial=-1) > 1 - 1e-6).all()


def test_a_closed_boundary_ends_where_it_begins() -> None:
    """|x| + |y| = 1."""
    net = network([[1, 0], [-1, 0], [0, 1], [0, -1]], [0] * 4, [[1] * 4, [0] * 4], [-1, 0])
    (line,) = decision_boundary(net, 3)
    assert line[0] == pytest.approx(line[-1])
    corners = {tuple(np.round(point, 9) + 0.0) for point in line}
    assert {(1.0, 0.0), (-1.0, 0.0), (0.0, 1.0), (0.0, -1.0)} <= corners
    assert np.linalg.norm(np.diff(line, axis=0), axis=1).sum() == pytest.approx(4 * np.sqrt(2))
    assert len(dual(net).normals) == 0


def test_where_all_units_are_off_a_tie_has_edges_alone() -> None:
    """Right of all edges both outputs are 0: sums that cancel in theory leave 1e-17 or so."""
    for seed in range(20):
        chance = np.random.default_rng(seed)
        slopes = np.abs(chance.normal(size=(3, 2))) * [-1, 0.1]
        net = network(slopes, [0] * 3, chance.normal(size=(2, 3)), [0, 0])
        for line in decision_boundary(net, 1):
            middle = (line[1:] + line[:-1]) / 2
            assert (middle @ net.hidden.T).max(axis=1).min() > -1e-9


@pytest.mark.parametrize(
    ("net", "lines"),
    [
        # linear: no unit has a part in it, and nothing is left of it
        (network(np.zeros((0, 2)), [], np.zeros((2, 0)), [0, 1]), []),
        # the unit never changes: only its bias is left
        (network([[0, 0]], [2], [[1], [0]], [0, 0]), []),
        # one unit, x₁ = 1
        (network([[1, 0]], [0], [[1], [0]], [-1, 0]), [1]),
        # two lines, x₁ = ±1, of units that look opposite ways
        (network([[1, 0], [-1, 0]], [0, 0], [[1, 1], [0, 0]], [-1, 0]), [-1, 1]),
    ],
    ids=["no units", "constant", "one unit", "parallel lines"],
)
def test_straight_lines_and_none(net, lines) -> None:
    found = decision_boundary(net, 2)
    assert sorted(line[0][0] for line in found) == pytest.approx(lines)
    for line in found:
        assert sorted(line[:, 1])[:: len(line) - 1] == pytest.approx([-2, 2])
