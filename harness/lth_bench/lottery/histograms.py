"""How a ticket's surviving weights are distributed, at its start and after its training.

Bins are chosen so that histograms of different tickets merge exactly: 64 equal bins over
[−r, r] with r a power of two, so that the bins for 2r are pairs of those for r.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor

from lth_bench.masks import Layer, Mask

BINS = 64
"""Bins of a histogram; even, so that bins join in pairs around 0."""

SMALLEST = 2.0**-20
"""Smallest reach: all weights within it count as 0 to the eye."""


def histograms(
    layers: tuple[Layer, ...], mask: Mask, start: Mapping[str, Tensor], end: Mapping[str, Tensor]
) -> list[dict[str, Any]]:
    """Two histograms a prunable layer, of the weights that `mask` keeps: at the start, at the end.

    `start` and `end` are state dicts. Layers without (finite) survivors are left out.
    """
    found = []
    for layer in layers:
        kept = mask.kept[layer.name]
        for moment, values in (("start", start), ("end", end)):
            survivors = values[layer.key][kept]
            # a training may overflow in its last update: such weights lie in no bin
            survivors = survivors[survivors.isfinite()]
            if survivors.numel():
                reach, counts = histogram(survivors)
                found.append(
                    {"layer": layer.name, "moment": moment, "reach": reach, "counts": counts}
                )
    return found


def histogram(values: Tensor) -> tuple[float, list[int]]:
    """The reach r, and how many of the values [K] lie in each bin of [−r, r]; the last is closed.

    r is the smallest power of two that is not below the largest magnitude.
    """
    values = values.detach().flatten().to(torch.float64)
    largest = max(float(values.abs().max()), SMALLEST)
    mantissa, exponent = math.frexp(largest)
    reach = math.ldexp(1.0, exponent - 1 if mantissa == 0.5 else exponent)
    half = BINS // 2
    # the factor is a power of two, so that no value is rounded into its neighbour's bin
    place = (values * (half / reach)).floor().long().add_(half).clamp_(0, BINS - 1)
    return reach, torch.bincount(place, minlength=BINS).tolist()
