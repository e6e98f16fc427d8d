"""Small networks as geometry: exact decision boundaries, dual polygons, distances between hulls.

For networks with two inputs, one hidden layer of ReLU units and two outputs, as in "On the Decision
Boundaries of Neural Networks: A Tropical Geometry Perspective" (Alfarra et al., 2022). Everything
here is numpy in float64; the only thing taken from elsewhere is scipy's convex hull. (Its
`directed_hausdorff` is of sets of points, and so is shapely's: polygons need their edges, too.)
"""

from lth_bench.geometry.boundary import decision_boundary
from lth_bench.geometry.dual import Dual, dual
from lth_bench.geometry.planar import PlanarNetwork
from lth_bench.geometry.polygons import (
    area,
    centroid,
    convex_hull,
    diameter,
    hausdorff,
    size_normalised,
)

__all__ = [
    "Dual",
    "PlanarNetwork",
    "area",
    "centroid",
    "convex_hull",
    "decision_boundary",
    "diameter",
    "dual",
    "hausdorff",
    "size_normalised",
]
