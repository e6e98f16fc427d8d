"""The distribution of a ticket's surviving weights, before and after training.

Histograms of different tickets merge exactly: 64 equal bins over [−r, r] with r a power of two, so
that each bin for 2r is the union of two bins for r.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor

from lth_bench.masks import Layer, Mask

BINS = 64
"""Bins per histogram; even, so that bins merge in pairs around 0."""

SMALLEST = 2.0**-20
"""Smallest range r: below it all weights are practically 0."""


def histograms(
    layers: tuple[Layer, ...], mask: Mask, start: Mapping[str, Tensor], end: Mapping[str, Tensor]
) -> list[dict[str, Any]]:
    """Two histograms per prunable layer, of the weights kept by `mask`: at the start and at the
    end.

    `start` and `end` are state dicts. Layers without finite surviving weights are left out.
    """
    found = []
    for layer in layers:
        kept = mask.kept[layer.name]
        for moment, values in (("start", start), ("end", end)):
            survivors = values[layer.key][kept]
            # the last update may overflow; infinite weights are in no bin
            survivors = survivors[survivors.isfinite()]
            if survivors.numel():
                reach, counts = histogram(survivors)
                found.append(
                    {"layer": layer.name, "moment": moment, "reach": reach, "counts": counts}
                )
    return found


def histogram(values: Tensor) -> tuple[float, list[int]]:
    """The range r, and the number of the values [K] in each bin of [−r, r]; the last bin is closed.

    r is the smallest power of two that is at least the largest magnitude.
    """
    values = values.detach().flatten().to(torch.float64)
    largest = max(float(values.abs().max()), SMALLEST)
    mantissa, exponent = math.frexp(largest)
    reach = math.ldexp(1.0, exponent - 1 if mantissa == 0.5 else exponent)
    half = BINS // 2
    # the factor is a power of two, so rounding moves no value to another bin
    place = (values * (half / reach)).floor().long().add_(half).clamp_(0, BINS - 1)
    return reach, torch.bincount(place, minlength=BINS).tolist()
