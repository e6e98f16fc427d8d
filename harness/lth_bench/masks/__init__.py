"""Masks: which weights stay. Exact counts, a stated tie rule, allocation over layers."""

from lth_bench.masks.allocation import erk, largest_remainder, uniform
from lth_bench.masks.layer import Kind, Layer
from lth_bench.masks.layers import Layers
from lth_bench.masks.mask import Mask, count_at, next_counts
from lth_bench.masks.per_kind import PerKind

__all__ = [
    "Kind",
    "Layer",
    "Layers",
    "Mask",
    "PerKind",
    "count_at",
    "erk",
    "largest_remainder",
    "next_counts",
    "uniform",
]
