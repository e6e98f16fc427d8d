"""How much of what is long a page shows, so that 2,000 experiments stay under 8 MB.

Plotly takes 4.8 MB and the tables of so many experiments about one. What is left is shared by
the three kinds of evidence that grow with every ticket. Small databases are shown in full.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import isqrt

from lth_bench.analysis.evidence import Evidence
from lth_bench.analysis.evidence.weights import BINS

CURVE_POINTS = 40_000
"""Evaluations on the whole page; each takes some 18 bytes."""
HISTOGRAM_BINS = 100_000
"""Five bytes each."""
MATRIX_VALUES = 50_000
"""Five bytes each; half of a symmetric matrix is kept."""


@dataclass(frozen=True)
class Budget:
    """What one of each may have."""

    points: int
    """Evaluations of a learning curve, at most 100."""
    bins: int
    """Bins of a histogram: 64, 32 or 16."""
    densities: int
    """Densities at which there are histograms, beside dense."""
    moments: int
    """Steps of a mask-distance matrix, at most 64."""


def budget_of(evidence: Sequence[Evidence]) -> Budget:
    """Shares the page's budget among all of its tasks."""
    curves = sum(len(e.learning) for e in evidence)
    outlines = 2 * sum(len(e.weights) for e in evidence)
    matrices = sum(len(e.distances) for e in evidence)
    bins, densities = BINS, 3
    while outlines * bins * densities / 3 > HISTOGRAM_BINS and (bins > 16 or densities > 1):
        if bins > 16:
            bins //= 2
        else:
            densities -= 1
    return Budget(
        points=max(12, min(100, CURVE_POINTS // max(1, curves))),
        bins=bins,
        densities=densities,
        moments=max(12, min(64, isqrt(2 * MATRIX_VALUES // max(1, matrices)))),
    )
