"""Masks: which weights are kept. Exact counts, a defined tie rule, allocation over layers."""

from lth_bench.masks.allocation import (
    er,
    erk,
    largest_remainder,
    smart_ratio,
    uniform,
)
from lth_bench.masks.layers import Layer, LayerKind, Layers, PerKind, layer_name, weight_key
from lth_bench.masks.mask import Mask, count_at, next_counts

__all__ = [
    "Layer",
    "LayerKind",
    "Layers",
    "Mask",
    "PerKind",
    "count_at",
    "er",
    "erk",
    "largest_remainder",
    "layer_name",
    "next_counts",
    "smart_ratio",
    "uniform",
    "weight_key",
]
