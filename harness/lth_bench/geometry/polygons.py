"""Convex polygons in the plane: hull, area, centroid, diameter, and how far two are apart.

A polygon is its corners [n, 2], counter-clockwise, none of them on the line between its neighbours.
Two corners are a segment and one is a point: both are convex sets like any other.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]

FLAT = 1e-12
"""Fraction of its length below which a set of points is as good as a segment, and of its distance
from the origin below which it is as good as a point."""


def convex_hull(points: Array) -> Array:
    """The corners of the smallest convex polygon around the points [m, 2], m ≥ 1."""
    from scipy.spatial import ConvexHull, QhullError

    centre = points.mean(axis=0)
    _, extents, directions = np.linalg.svd(points - centre, full_matrices=False)
    if extents[0] <= FLAT * max(1.0, float(np.abs(points).max())):
        return points[:1].copy()
    if len(points) > 2 and extents[1] > FLAT * extents[0]:
        try:
            corners: Array = points[ConvexHull(points).vertices]
            return corners
        except QhullError:  # flatter than it can tell from a segment
            pass
    along = (points - centre) @ directions[0]
    return points[[along.argmin(), along.argmax()]]


def area(polygon: Array) -> float:
    """Its area; 0 for a segment or a point."""
    x, y = (polygon - polygon[0]).T
    return float(x @ np.roll(y, -1) - y @ np.roll(x, -1)) / 2


def centroid(polygon: Array) -> Array:
    """Its centre of gravity [2]: of the area, of a segment its middle."""
    if len(polygon) < 3:
        middle: Array = polygon.mean(axis=0)
        return middle
    origin = polygon[0]
    here = polygon - origin
    there = np.roll(here, -1, axis=0)
    cross = here[:, 0] * there[:, 1] - here[:, 1] * there[:, 0]
    centre: Array = origin + ((here + there) * cross[:, None]).sum(axis=0) / (3 * cross.sum())
    return centre


def diameter(polygon: Array) -> float:
    """The largest distance between two of its points, which are corners; 0 for a point."""
    return float(np.linalg.norm(polygon[:, None] - polygon[None], axis=2).max())


def size_normalised(polygon: Array) -> Array:
    """The polygon with its centroid at 0 and a diameter of 1.

    ValueError for a point, which has no size to normalise by.
    """
    size = diameter(polygon)
    if size == 0:
        raise ValueError("a polygon that is a point has no size to normalise by")
    scaled: Array = (polygon - centroid(polygon)) / size
    return scaled


def hausdorff(one: Array, other: Array) -> float:
    """The Hausdorff distance between two convex polygons, interiors included: how far the point of
    either that is farthest from the other polygon is from it.

    The distance to a convex set is a convex function, so that the farthest points are corners; the
    points nearest to them need not be.
    """
    return max(float(_distances(one, other).max()), float(_distances(other, one).max()))


def _distances(points: Array, polygon: Array) -> Array:
    """[m]: from each of the points [m, 2] to the nearest point of the polygon, 0 inside."""
    start, edge = polygon, np.roll(polygon, -1, axis=0) - polygon
    offset = points[:, None] - start[None]
    length = (edge**2).sum(axis=1)
    at = np.divide((offset * edge).sum(axis=2), length, where=length > 0, out=offset[..., 0] * 0)
    nearest = start + np.clip(at, 0, 1)[..., None] * edge
    found: Array = np.linalg.norm(points[:, None] - nearest, axis=2).min(axis=1)
    if len(polygon) > 2:
        side = edge[:, 0] * offset[..., 1] - edge[:, 1] * offset[..., 0]
        found[(side >= 0).all(axis=1)] = 0.0
    return found
