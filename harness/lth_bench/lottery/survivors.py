"""Where survivors come from: initial and final values of the weights that a mask keeps, and of
those that it prunes, in the unpruned network's training (Frankle & Carbin, 2019, appendix F).

The dense run has both kinds of weights, and is the same for every method, round and density; a
ticket's own training has the survivors alone. Whether a ticket has these metrics depends on its
experiment alone, never on what was trained before: every ticket has them whose plan has the dense
run of its task, recipe and seed. Labels with a recipe of their own, and tuning's trials, have none.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

import torch
from torch import Tensor

from lth_bench.masks import Layer, Mask

GRID = 32
"""Bins of each axis of the joint histograms; even, so that bins merge in pairs around 0."""

SAMPLED = 6
"""Layers that have joint histograms, evenly spaced from the first to the last."""

SPAN = 4.0
"""The bins reach at least so many times as far as the root mean square of a layer's values."""


@dataclass(frozen=True, kw_only=True)
class Fate:
    """The weights of one layer that are kept, or that are pruned, before and after training."""

    layer: str
    fate: Literal["kept", "pruned"]
    initial: Tensor
    """[K], finite."""
    final: Tensor
    """[K], finite."""
    scale: float
    """Root mean square of the initial values of the whole layer."""
    reach: float
    """Of the histogram's bins, a power of two."""

    @property
    def weights(self) -> int:
        """How many they are."""
        return self.initial.numel()

    @property
    def same_sign(self) -> int:
        """Weights whose sign is the same at the end."""
        return int((self.initial.sign() == self.final.sign()).sum())

    @property
    def grew(self) -> int:
        """Weights that are farther from zero at the end."""
        return int((self.final.abs() > self.initial.abs()).sum())

    @property
    def moved(self) -> float:
        """Distances of final from initial values, summed."""
        return float((self.final - self.initial).abs().double().sum())

    @property
    def size(self) -> float:
        """Magnitudes of the initial values, in units of `scale`, summed."""
        return float(self.initial.abs().double().sum()) / self.scale if self.scale else 0.0


def fates(
    layers: tuple[Layer, ...],
    mask: Mask,
    initial: Mapping[str, Tensor],
    final: Mapping[str, Tensor],
) -> list[Fate]:
    """The kept and the pruned weights of every layer; those that are not finite are left out, and
    so is a layer that keeps or prunes none.

    `initial` and `final` are state dicts of the same training.
    """
    found = []
    for layer in layers:
        start, end = initial[layer.key].detach(), final[layer.key].detach()
        finite = start.isfinite() & end.isfinite()
        kept = mask.kept[layer.name]
        groups: dict[Literal["kept", "pruned"], Tensor] = {
            "kept": kept & finite,
            "pruned": ~kept & finite,
        }
        if not all(bool(chosen.any()) for chosen in groups.values()):
            continue
        scale = float(start[finite].double().square().mean().sqrt())
        values = torch.cat([start[finite], end[finite]]).double()
        reach = _power_of_two(SPAN * float(values.square().mean().sqrt()))
        for fate, chosen in groups.items():
            found.append(
                Fate(
                    layer=layer.name,
                    fate=fate,
                    initial=start[chosen],
                    final=end[chosen],
                    scale=scale,
                    reach=reach,
                )
            )
    return found


def records(found: list[Fate]) -> list[dict[str, Any]]:
    """As they are in the journal."""
    names = list(dict.fromkeys(one.layer for one in found))
    if len(names) > SAMPLED:
        names = [names[i * (len(names) - 1) // (SAMPLED - 1)] for i in range(SAMPLED)]
    return [
        {
            "layer": one.layer,
            "fate": one.fate,
            "weights": one.weights,
            "same_sign": one.same_sign,
            "grew": one.grew,
            "moved": one.moved / one.weights,
            "initial": one.size / one.weights,
            **(joint(one) if one.layer in names else {"reach": None, "cells": [], "counts": []}),
        }
        for one in found
    ]


def joint(one: Fate) -> dict[str, Any]:
    """Initial against final values as counts: `cells` are i · GRID + j of the filled bins, i of the
    initial and j of the final value, each of GRID bins over [−reach, reach]; `counts` the weights
    in them. The outermost bins hold what lies beyond.
    """
    i, j = (_bins(values, one.reach) for values in (one.initial, one.final))
    cells, counts = torch.unique(i * GRID + j, return_counts=True)
    return {"reach": one.reach, "cells": cells.tolist(), "counts": counts.tolist()}


def metrics(found: list[Fate]) -> dict[str, float]:
    """Over all layers: fractions of the survivors and of the pruned weights that kept their sign
    (`survivors_same_sign`, `pruned_same_sign`) and that moved away from zero (`survivors_grew`,
    `pruned_grew`); and ratios of the survivors' mean to the pruned weights' mean of the distance
    moved (`moved_ratio`) and of the initial magnitude, in each layer's own scale (`initial_ratio`).
    """
    sums = {}
    for fate, prefix in (("kept", "survivors"), ("pruned", "pruned")):
        own = [one for one in found if one.fate == fate]
        n = sum(one.weights for one in own)
        if n == 0:
            return {}
        sums[prefix] = {
            "same_sign": sum(one.same_sign for one in own) / n,
            "grew": sum(one.grew for one in own) / n,
            "moved": sum(one.moved for one in own) / n,
            "initial": sum(one.size for one in own) / n,
        }
    ratios = {
        f"{name}_ratio": sums["survivors"][name] / sums["pruned"][name]
        for name in ("moved", "initial")
        if sums["pruned"][name] > 0
    }
    shares = {
        f"{prefix}_{name}": sums[prefix][name] for prefix in sums for name in ("same_sign", "grew")
    }
    return shares | ratios


def _bins(values: Tensor, reach: float) -> Tensor:
    half = GRID // 2
    return (values.double() * (half / reach)).floor().long().add(half).clamp(0, GRID - 1)


def _power_of_two(least: float) -> float:
    """The smallest that is not below; 1 of 0."""
    return 2.0 ** math.ceil(math.log2(least)) if least > 0 else 1.0
