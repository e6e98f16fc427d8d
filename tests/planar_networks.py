"""Small networks that the tests of geometry share."""

from __future__ import annotations

import numpy as np

from lth_bench.geometry import PlanarNetwork


def network(hidden, hidden_bias, output, output_bias) -> PlanarNetwork:
    rows = (hidden, hidden_bias, output, output_bias)
    return PlanarNetwork(*(np.array(x, dtype=np.float64) for x in rows))


def worked() -> PlanarNetwork:
    """Three units with biases, whose polygons are worked out by hand."""
    return network([[1, 1], [1, -1], [-2, 1]], [0, -1, 1], [[1, -1, 2], [-1, 2, 1]], [0.5, -0.5])


def xor() -> PlanarNetwork:
    """|x + y| − |x − y|, without biases."""
    return network(
        [[1, 1], [-1, -1], [1, -1], [-1, 1]], [0] * 4, [[1, 1, 0, 0], [0, 0, 1, 1]], [0, 0]
    )


def drawn(seed: int, width: int, *, biases: bool = True, kept: float = 1.0) -> PlanarNetwork:
    """Normal values, a fraction of the weights kept."""
    rng = np.random.default_rng(seed)
    hidden = rng.normal(size=(width, 2)) * (rng.random((width, 2)) < kept)
    output = rng.normal(size=(2, width)) * (rng.random((2, width)) < kept)
    c, d = rng.normal(size=width), rng.normal(size=2)
    return PlanarNetwork(hidden, c * biases, output, d * biases)


def support(polygon, directions):
    """[m]: the largest inner product of each direction [m, 2] with a point of the polygon."""
    return (directions @ polygon.T).max(axis=1)


def around(count: int):
    """Unit vectors [count, 2], evenly around the circle."""
    angle = np.arange(count) * 2 * np.pi / count
    return np.stack([np.cos(angle), np.sin(angle)], axis=1)
