"""How much of what is long a picture shows, so that a page of 2,000 experiments stays under 8 MB.

Plotly takes 1.9 MB and the tables of so many experiments up to three. What is left is shared by
the kinds of evidence that grow with every ticket. Small databases are shown in full, as
files of single figures always are.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import isqrt

from lth_bench.analysis.evidence import TaskEvidence
from lth_bench.analysis.evidence.masks import BINS

CURVE_POINTS = 40_000
"""Evaluations on the whole page; each takes some 18 bytes."""
HISTOGRAM_BINS = 100_000
"""Five bytes each."""
MATRIX_VALUES = 50_000
"""Five bytes each; half of a symmetric matrix is kept."""
MAP_VALUES = 100_000
"""Five bytes each, of the images of masks."""


@dataclass(frozen=True, kw_only=True)
class Detail:
    """What one of each may have."""

    points: int = 100
    """Evaluations of a learning curve, at most 100."""
    bins: int = BINS
    """Bins of a histogram: 64, 32 or 16."""
    densities: int = 3
    """Densities at which there are histograms, beside dense."""
    moments: int = 64
    """Steps of a mask-distance matrix, at most 64."""
    maps: int = 6
    """Densities at which masks are shown as images, the sparsest ones."""


FULL = Detail()
"""All that the evidence holds."""


def detail_of(evidence: Sequence[TaskEvidence]) -> Detail:
    """What a page that shows all of this evidence has space for."""
    curves = sum(len(e.learning) for e in evidence)
    outlines = 2 * sum(len(e.weights) for e in evidence)
    matrices = sum(len(e.distances) for e in evidence)
    pixels = sum(len(one.kept) for e in evidence for one in e.maps)
    bins, densities = FULL.bins, FULL.densities
    while outlines * bins * densities / 3 > HISTOGRAM_BINS and (bins > 16 or densities > 1):
        if bins > 16:
            bins //= 2
        else:
            densities -= 1
    return Detail(
        points=max(12, min(FULL.points, CURVE_POINTS // max(1, curves))),
        bins=bins,
        densities=densities,
        moments=max(12, min(FULL.moments, isqrt(2 * MATRIX_VALUES // max(1, matrices)))),
        maps=max(1, min(FULL.maps, FULL.maps * MAP_VALUES // max(1, pixels))),
    )
