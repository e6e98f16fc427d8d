"""How many weights each layer keeps, and which: exact counts and a defined tie rule."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

import torch
from torch import Tensor

from lth_bench.errors import Unreachable
from lth_bench.masks.layers import Layer


def largest_remainder(
    shares: Sequence[float], total: int, caps: Sequence[int] | None = None
) -> list[int]:
    """Integers that follow `shares` and sum to exactly `total` (Hamilton's method).

    `shares` are non-negative and should sum to about `total`; `caps` are upper bounds. Each share
    is rounded down, and the remainder goes to the largest fractional parts, the earlier entry first
    if tied. ValueError if the caps sum to less than `total`.
    """
    limits = list(caps) if caps is not None else [total] * len(shares)
    if sum(limits) < total:
        raise ValueError(f"cannot allocate {total} weights: the caps only sum to {sum(limits)}")
    counts = [min(math.floor(s), cap) for s, cap in zip(shares, limits, strict=True)]
    order = sorted(range(len(shares)), key=lambda i: (math.floor(shares[i]) - shares[i], i))
    missing = total - sum(counts)
    while missing != 0:
        step = 1 if missing > 0 else -1
        for i in order if step > 0 else reversed(order):
            if missing == 0:
                break
            if 0 <= counts[i] + step <= limits[i]:
                counts[i] += step
                missing -= step
    return counts


def uniform(layers: Sequence[Layer], k: int) -> dict[str, int]:
    """Kept weights per layer at the same density everywhere; they sum to exactly `k`."""
    density = k / sum(layer.numel for layer in layers)
    return _rounded(layers, k, {layer.name: density for layer in layers})


def er(layers: Sequence[Layer], k: int) -> dict[str, int]:
    """Kept weights per layer under Erdős–Rényi (Mocanu et al., 2018); they sum to exactly `k`.

    As `erk`, but without the kernel: density_l = ε · (in + out) / (in · out) in channels.
    """
    return _rounded(layers, k, er_densities(layers, k / sum(layer.numel for layer in layers)))


def er_densities(layers: Sequence[Layer], density: float) -> dict[str, float]:
    """Density of each layer under Erdős–Rényi, for `density` of the whole network."""
    return _scaled(layers, density, {x.name: _sparsity_of(x.block[:2]) for x in layers})


def erk(layers: Sequence[Layer], k: int) -> dict[str, int]:
    """Kept weights per layer under ERK; they sum to exactly `k`."""
    return _rounded(layers, k, erk_densities(layers, k / sum(layer.numel for layer in layers)))


def erk_densities(layers: Sequence[Layer], density: float) -> dict[str, float]:
    """Erdős–Rényi-kernel densities (Evci et al., 2020, section 3; Mocanu et al., 2018).

    density_l = ε · Σdims / Πdims over the weight's dimensions, [out, in, *kernel], with ε chosen so
    that the whole network has `density`. A layer that would exceed 1 becomes dense, and ε is solved
    again for the others. A weight that stacks several matrices (attention's query, key and value,
    a recurrent layer's gates) has the density that each of them would have as a layer.
    """
    return _scaled(layers, density, {x.name: _sparsity_of(x.block) for x in layers})


def _sparsity_of(sizes: Sequence[int]) -> float:
    """Σdims / Πdims: the larger a layer, the sparser."""
    return sum(sizes) / math.prod(sizes)


def _scaled(layers: Sequence[Layer], density: float, raw: Mapping[str, float]) -> dict[str, float]:
    """Densities ε · `raw`, 1 where that is more, with the ε that gives the network `density`."""
    total = sum(layer.numel for layer in layers)
    dense: set[str] = set()
    while True:
        free = [layer for layer in layers if layer.name not in dense]
        budget = density * total - sum(x.numel for x in layers if x.name in dense)
        room = sum(raw[x.name] * x.numel for x in free)
        epsilon = budget / room if free else 0.0
        full = {x.name for x in free if epsilon * raw[x.name] > 1}
        if not full:
            break
        dense |= full
    return {x.name: 1.0 if x.name in dense else epsilon * raw[x.name] for x in layers}


OUTPUT_DENSITY = 0.3
"""Density of the output layer under smart ratios."""


def smart_ratio(layers: Sequence[Layer], k: int, *, divided: bool = False) -> dict[str, int]:
    """Kept weights per layer under smart ratios (Su et al., 2020); they sum to exactly `k`.

    Layer l of L, the output layer included, has a density in proportion to (L − l + 1)² +
    (L − l + 1), as the authors' code has it for ResNets; `divided` divides that by l², as it does
    for VGGs. What a layer cannot hold goes to the next one. The output layer keeps 30%, and more
    only where the others are full.

    Unreachable if 30% of the output layer is more than `k`.
    """
    output = [x for x in layers if x.kind == "output"]
    hidden = [x for x in layers if x.kind != "output"]
    shares = {x.name: OUTPUT_DENSITY * x.numel for x in output}
    budget = k - sum(shares.values())
    if budget < 0:
        least = math.ceil(k - budget)
        raise Unreachable(
            f"smart ratios keep {OUTPUT_DENSITY:.0%} of the output layer, which is more than {k} "
            f"weights; the smallest density is {least / sum(x.numel for x in layers):.4g}"
        )
    left = {x.name: len(layers) - i for i, x in enumerate(layers)}  # L − l + 1
    place = {x.name: 1 + i for i, x in enumerate(layers)}  # l
    ratios = {
        x.name: left[x.name] * (left[x.name] + 1) / (place[x.name] ** 2 if divided else 1)
        for x in hidden
    }
    scale = budget / sum(ratios[x.name] * x.numel for x in hidden) if hidden else 0.0
    shares |= {x.name: scale * ratios[x.name] * x.numel for x in hidden}
    over = 0.0 if hidden else budget
    for layer in (*hidden, *output):
        over += shares[layer.name]
        shares[layer.name] = min(over, layer.numel)
        over -= shares[layer.name]
    return _rounded(layers, k, {x.name: shares[x.name] / x.numel for x in layers})


def _rounded(layers: Sequence[Layer], k: int, densities: Mapping[str, float]) -> dict[str, int]:
    """Counts at these densities, by largest remainder, that sum to exactly `k`."""
    sizes = [layer.numel for layer in layers]
    counts = largest_remainder([densities[x.name] * x.numel for x in layers], k, sizes)
    return dict(zip([layer.name for layer in layers], counts, strict=True))


def top_k_flat(scores: Tensor, k: int) -> Tensor:
    """The k largest entries of a vector [n], as a boolean vector [n] with exactly k ones.

    Ties go to the earlier position. Published code often keeps `score > threshold` instead, which
    drops all ties and misses the count. O(n): selects the k-th largest, then resolves ties in
    order.

    ValueError for NaN, and for k outside [0, n].
    """
    n = scores.numel()
    if not 0 <= k <= n:
        raise ValueError(f"k must be from 0 to {n}, the number of weights, but got {k}")
    if bool(torch.isnan(scores).any()):
        raise ValueError("scores must not be NaN: every prunable weight needs a comparable score")
    if k == 0:
        return torch.zeros(n, dtype=torch.bool, device=scores.device)
    threshold = torch.kthvalue(scores, n - k + 1).values
    chosen = scores > threshold
    ties = torch.nonzero(scores == threshold).flatten()
    chosen[ties[: k - int(chosen.sum())]] = True
    return chosen
