"""The polygons that are dual to a network's decision boundary, by tropical geometry.

With A = A⁺ − A⁻ and B = B⁺ − B⁻ split into what is positive and what is negative, each output is a
difference of two maxima of linear functions, f_k = H_k − Q_k + d_k, and the decision boundary lies
in the tropical hypersurface of R = max(H₁ + Q₂, H₂ + Q₁) (Alfarra et al., 2022, theorem 2). The
Newton polytopes of the two are zonotopes Z₁ and Z₂, that of R is the convex hull of both:

    Z₁ = Σⱼ (B⁺₁ⱼ + B⁻₂ⱼ)·[A⁺ⱼ, A⁻ⱼ] + Σⱼ (B⁻₁ⱼ + B⁺₂ⱼ)·A⁻ⱼ, and Z₂ with the outputs exchanged.

What follows from them, and what does not:

- Without biases f₁ − f₂ is the difference of the support functions of Z₁ and Z₂. The boundary is
  rays from 0, exactly the outward normals of the hull's bridging edges: those that join a corner of
  Z₁ alone to one of Z₂ alone. The other edges' normals are in the hypersurface, and not in the
  boundary.
- With biases the hull depends on none of them, and its bridging normals are the directions in which
  the boundary runs to infinity (there may be others where all units are off in a whole cone), no
  more: bounded pieces are dual to edges inside of the hull.
- Adding the same vector to both rows of B leaves f₁ − f₂ as it is and changes the hull, which is
  therefore no function of the boundary. Permuting units, or scaling a unit's row of A and its
  column of B inversely, changes neither.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from lth_bench.geometry.planar import PlanarNetwork
from lth_bench.geometry.polygons import Array, convex_hull, diameter

PARALLEL = 1e-12
"""Sine of the angle below which two generators are added up: they make one edge."""


@dataclass(frozen=True)
class Dual:
    """The dual polygons of a network. Any of them may be a segment or a point."""

    zonotopes: tuple[Array, Array]
    """Z₁ and Z₂: corners [n, 2]."""
    hull: Array
    """[n, 2], the convex hull of both."""

    @property
    def bridges(self) -> Array:
        """[k, 2, 2]: the hull's edges, each as two corners, that join Z₁ to Z₂."""
        if len(self.hull) < 2:
            return np.empty((0, 2, 2))
        near = 1e-9 * diameter(self.hull)
        first, second = (
            np.linalg.norm(self.hull[:, None] - zonotope, axis=2).min(axis=1) <= near
            for zonotope in self.zonotopes
        )
        alone = np.where(first & ~second, 1, np.where(second & ~first, 2, 0))
        joined = alone * np.roll(alone, -1) == 2  # one of each
        edges = np.stack([self.hull, np.roll(self.hull, -1, axis=0)], axis=1)
        found: Array = edges[joined]
        return found

    @property
    def normals(self) -> Array:
        """[k, 2]: outward normals of the bridges, of length 1."""
        along = self.bridges[:, 1] - self.bridges[:, 0]
        outward = np.stack([along[:, 1], -along[:, 0]], axis=1)
        found: Array = outward / np.linalg.norm(outward, axis=1, keepdims=True)
        return found


def dual(network: PlanarNetwork) -> Dual:
    """The zonotopes of the two outputs and their hull."""
    low = np.maximum(-network.hidden, 0)
    plus, minus = np.maximum(network.output, 0), np.maximum(-network.output, 0)
    weights = plus[0] + minus[1], plus[1] + minus[0]
    # every segment runs from w·A⁻ to w·A⁺ = w·(A⁻ + A), and the shift is the other output's w·A⁻
    origin = (weights[0] + weights[1]) @ low
    first, second = (zonotope(origin, w[:, None] * network.hidden) for w in weights)
    return Dual((first, second), convex_hull(np.concatenate([first, second])))


def zonotope(origin: Array, generators: Array) -> Array:
    """The Minkowski sum of the point [2] and the segments from 0 to each of the generators
    [m, 2]: its corners.
    """
    flipped = (generators[:, 1] < 0) | ((generators[:, 1] == 0) & (generators[:, 0] < 0))
    start: Array = origin + generators[flipped].sum(axis=0)
    upward = np.where(flipped[:, None], -generators, generators)
    upward = upward[upward.any(axis=1)]
    if len(upward) == 0:
        return start.reshape(1, 2)
    edges = _merged(upward[np.argsort(np.arctan2(upward[:, 1], upward[:, 0]), kind="stable")])
    half = start + np.concatenate([np.zeros((1, 2)), np.cumsum(edges, axis=0)])
    opposite = start + half[-1] - half  # it is its own mirror image
    return convex_hull(np.concatenate([half, opposite]))


def _merged(edges: Array) -> Array:
    """Sorted by angle, with parallel ones added up."""
    length = np.linalg.norm(edges, axis=1)
    turn = edges[:-1, 0] * edges[1:, 1] - edges[:-1, 1] * edges[1:, 0]
    new = np.concatenate([[True], turn > PARALLEL * length[:-1] * length[1:]])
    found: Array = np.add.reduceat(edges, np.flatnonzero(new), axis=0)
    return found
