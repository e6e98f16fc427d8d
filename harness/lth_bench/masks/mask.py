"""The mask: which weights of a network are kept."""

from __future__ import annotations

import math
from collections.abc import Mapping, MutableMapping, Sequence
from typing import Literal

import numpy as np
import torch
from torch import Tensor

from lth_bench.errors import Unreachable
from lth_bench.masks.allocation import largest_remainder, top_k_flat
from lth_bench.masks.layers import Layer, Layers, PerKind, weight_key

MAX_STRETCH = 1.5
"""Maximum exponent on a round's keep rate, so that the last round can reach the target exactly."""

Scope = Literal["layer", "global"]


def count_at(density: float, total: int) -> int:
    """Number of weights kept at a density: round(density × total), halves up, at least 1."""
    return max(1, math.floor(density * total + 0.5))


class Mask:
    """Which weights are kept: one boolean tensor per prunable layer. Immutable.

    `kept[name]` has the shape of the layer's weight. `held[key]` is for structured tickets: it
    covers a one-dimensional parameter (a bias, γ or β) and is False where a removed unit's entry is
    held at zero. Densities count `kept` only. `layers` gives the kinds of layer, needed for rates
    per kind; a ticket's masks have it. `frozen[name]` has the values that a layer's pruned weights
    hold instead of zero, see `freezing`.
    """

    def __init__(
        self,
        kept: Mapping[str, Tensor],
        held: Mapping[str, Tensor] | None = None,
        layers: Sequence[Layer] | None = None,
        frozen: Mapping[str, Tensor] | None = None,
    ) -> None:
        for name, tensor in {**kept, **(held or {})}.items():
            if tensor.dtype != torch.bool:
                raise ValueError(f"the mask of {name!r} must be boolean, but got {tensor.dtype}")
        self.kept = dict(kept)
        self.held = dict(held or {})
        self.frozen = dict(frozen or {})
        for name, tensor in self.frozen.items():
            if name not in kept or tensor.shape != kept[name].shape:
                raise ValueError(
                    f"the frozen values of {name!r}, of shape {list(tensor.shape)}, fit no layer "
                    f"of the mask"
                )
        self.layers = tuple(layers) if layers is not None else None
        self._counts: dict[str, int] | None = None

    @classmethod
    def ones(cls, layers: Sequence[Layer], device: torch.device | str = "cpu") -> Mask:
        """The mask that keeps every weight."""
        ones = {x.name: torch.ones(x.shape, dtype=torch.bool, device=device) for x in layers}
        return cls(ones, layers=layers)

    @classmethod
    def top_k(cls, scores: Layers, k: int, within: Mask | None = None) -> Mask:
        """Keep the k highest scores of the whole network; ties go to the earlier position.

        `within` restricts the choice to another mask's surviving weights.
        """
        flat = torch.cat([_allowed(scores, name, within) for name in scores])
        if within is not None and k > within.count:
            raise ValueError(
                f"k must be at most {within.count}, the surviving weights, but got {k}"
            )
        chosen = torch.split(top_k_flat(flat, k), [t.numel() for t in scores.values()])
        return cls({n: c.view_as(scores[n]) for n, c in zip(scores, chosen, strict=True)})

    @classmethod
    def top_k_per_layer(
        cls, scores: Layers, counts: Mapping[str, int], within: Mask | None = None
    ) -> Mask:
        """Keep the `counts[name]` highest scores of each layer; ties go to the earlier position."""
        kept = {}
        for name, tensor in scores.items():
            if within is not None and counts[name] > within.kept_per_layer()[name]:
                raise ValueError(
                    f"layer {name!r}: cannot keep {counts[name]} of "
                    f"{within.kept_per_layer()[name]} surviving weights"
                )
            allowed = _allowed(scores, name, within)
            kept[name] = top_k_flat(allowed, counts[name]).view_as(tensor)
        return cls(kept)

    def shrink(
        self,
        scores: Layers,
        rate: PerKind | float,
        target: float,
        scope: Scope = "layer",
    ) -> Mask:
        """One round of pruning: remove the lowest scores among the surviving weights.

        Each layer's density is multiplied by (1 − rate)^e, and counts are rounded by largest
        remainder. e = 1; smaller if that would overshoot `target` (a density in (0, 1]); or larger,
        up to 1.5, if that reaches it exactly. So a published sparsity schedule takes one round per
        level although its densities are rounded. `scope="global"` ranks all layers with a rate
        above 0 together; their rates must be equal.

        Raises Unreachable if the layers with rate 0 alone hold more weights than the target.
        """
        rates = self._rates(rate)
        counts = self.kept_per_layer()
        wanted = next_counts(counts, rates, count_at(target, self.total))
        if scope == "layer":
            chosen = Mask.top_k_per_layer(scores, wanted, within=self)
            return Mask(chosen.kept, layers=self.layers)
        pruned = [n for n in counts if rates[n] > 0]
        if len({rates[n] for n in pruned}) > 1:
            raise ValueError(
                f"scope 'global' ranks layers together, so their rates must be equal or 0, "
                f"but got {rate}"
            )
        pool = Layers({n: scores[n] for n in pruned})
        keep = sum(wanted[n] for n in pruned)
        chosen = Mask.top_k(pool, keep, within=Mask({n: self.kept[n] for n in pruned}))
        return Mask({n: chosen.kept.get(n, self.kept[n]) for n in scores}, layers=self.layers)

    def _rates(self, rate: PerKind | float) -> dict[str, float]:
        if not isinstance(rate, PerKind):
            return dict.fromkeys(self.kept, float(rate))
        if self.layers is None:
            raise ValueError(
                "rates per kind of layer need a mask made with Mask(..., layers=ticket.layers)"
            )
        return {x.name: rate[x.kind] for x in self.layers}

    def kept_per_layer(self) -> dict[str, int]:
        """Surviving weights by layer. One device synchronisation, then cached."""
        if self._counts is None:
            sums = torch.stack([t.sum() for t in self.kept.values()]).tolist()
            self._counts = dict(zip(self.kept, map(int, sums), strict=True))
        return dict(self._counts)

    @property
    def count(self) -> int:
        """Number of surviving weights."""
        return sum(self.kept_per_layer().values())

    @property
    def total(self) -> int:
        """Number of prunable weights, including pruned ones."""
        return sum(t.numel() for t in self.kept.values())

    @property
    def density(self) -> float:
        """Kept fraction of the prunable weights, in [0, 1]."""
        return self.count / self.total

    def items_by_key(self) -> dict[str, Tensor]:
        """State-dict key → boolean tensor, for weights and held parameters."""
        return {**{weight_key(name): t for name, t in self.kept.items()}, **self.held}

    def freezing(self, values: Mapping[str, Tensor]) -> Mask:
        """The same mask whose pruned weights are not zero: they keep these values, by layer, and
        are not trained. Such a network saves no multiplications, so its FLOPs count as dense.
        """
        frozen = {name: values[name].detach().clone() for name in self.kept}
        return Mask(self.kept, self.held, self.layers, frozen)

    def used(self) -> Mask:
        """The weights that the network computes with: those kept, and all of a layer whose pruned
        weights are frozen.
        """
        if not self.frozen:
            return self
        whole = {n: torch.ones_like(t) if n in self.frozen else t for n, t in self.kept.items()}
        return Mask(whole, self.held, self.layers)

    def frozen_by_key(self) -> dict[str, Tensor]:
        """State-dict key → values of pruned weights; empty where they are zero."""
        return {weight_key(name): tensor for name, tensor in self.frozen.items()}

    def apply_(self, values: MutableMapping[str, Tensor]) -> None:
        """Set every pruned entry of a state dict to zero, or to its frozen value, in place.

        Uses `masked_fill_`, not a product: 0 · (−1) is −0.0, and NaN · 0 is NaN.
        """
        frozen = self.frozen_by_key()
        for key, kept in self.items_by_key().items():
            if key in frozen:
                values[key].copy_(torch.where(kept, values[key], frozen[key].to(values[key])))
            else:
                values[key].masked_fill_(~kept, 0.0)

    def require(self, layers: Sequence[Layer]) -> None:
        """ValueError unless the mask has exactly these layers and shapes."""
        for layer in layers:
            kept = self.kept.get(layer.name)
            if kept is None or tuple(kept.shape) != layer.shape:
                got = "nothing" if kept is None else f"shape {list(kept.shape)}"
                raise ValueError(
                    f"the mask has {got} for layer {layer.name!r}, whose weight has shape "
                    f"{list(layer.shape)}"
                )
        if len(self.kept) != len(layers):
            odd = sorted(set(self.kept) - {layer.name for layer in layers})
            raise ValueError(f"the mask has layers that the network does not have: {odd}")

    def to(self, device: torch.device | str) -> Mask:
        """The same mask on another device."""
        moved = Mask(
            {n: t.to(device) for n, t in self.kept.items()},
            {n: t.to(device) for n, t in self.held.items()},
            self.layers,
            {n: t.to(device) for n, t in self.frozen.items()},
        )
        moved._counts = self._counts
        return moved

    def copy(self) -> Mask:
        """A copy with its own tensors."""
        return Mask(
            {n: t.clone() for n, t in self.kept.items()},
            {n: t.clone() for n, t in self.held.items()},
            self.layers,
            {n: t.clone() for n, t in self.frozen.items()},
        )

    def __and__(self, other: Mask) -> Mask:
        held = {**self.held, **other.held}
        for key in self.held.keys() & other.held.keys():
            held[key] = self.held[key] & other.held[key]
        kept = {n: t & other.kept[n] for n, t in self.kept.items()}
        return Mask(kept, held, self.layers, {**self.frozen, **other.frozen})

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Mask):
            return NotImplemented
        a, b = ({**m.items_by_key(), **tagged(m)} for m in (self, other))
        return a.keys() == b.keys() and all(torch.equal(t, b[key]) for key, t in a.items())

    __hash__ = None  # type: ignore[assignment]  # compared by content, which is too large to hash

    def __repr__(self) -> str:
        return f"Mask({self.count} of {self.total} kept, density {self.density:.4f})"


def _allowed(scores: Layers, name: str, within: Mask | None) -> Tensor:
    """One layer's scores as a vector, −∞ where a weight may not be kept."""
    tensor = scores[name].detach()
    if bool(torch.isnan(tensor).any()):
        raise ValueError(
            f"layer {name!r}: scores must not be NaN: every weight needs a comparable score"
        )
    if within is None:
        return tensor.flatten()
    return tensor.masked_fill(~within.kept[name], -math.inf).flatten()


def next_counts(counts: Mapping[str, int], rates: Mapping[str, float], k: int) -> dict[str, int]:
    """Kept weights per layer after one round of `Mask.shrink` towards `k` in total.

    On plain integers, so that a sparsity schedule can be planned without a network.
    """
    excluded = sum(c for n, c in counts.items() if rates[n] == 0)
    if excluded >= k < sum(counts.values()):
        raise Unreachable(
            f"{excluded} weights are in layers with pruning rate 0, so {k} weights in total "
            f"cannot be reached"
        )
    pruned = {n: c for n, c in counts.items() if rates[n] > 0}
    e = _exponent(pruned, rates, k - excluded)
    shares = [c * (1 - rates[n]) ** e for n, c in pruned.items()]
    keep = math.floor(sum(shares) + 0.5)
    if sum(counts.values()) > k:
        # a rate that rounds to no weights would never reach the target
        keep = min(keep, sum(pruned.values()) - 1)
    keep = max(keep, k - excluded)
    sizes = largest_remainder(shares, keep, list(pruned.values()))
    return {**counts, **dict(zip(pruned, sizes, strict=True))}


def _exponent(counts: Mapping[str, int], rates: Mapping[str, float], k: int) -> float:
    """The e of `Mask.shrink`, by bisection: Σ count · (1 − rate)^e decreases in e."""

    def left(e: float) -> float:
        return float(sum(c * (1 - rates[n]) ** e for n, c in counts.items()))

    if left(MAX_STRETCH) > k:
        return 1.0
    low, high = 0.0, MAX_STRETCH
    for _ in range(60):
        middle = (low + high) / 2
        low, high = (middle, high) if left(middle) > k else (low, middle)
    return high


def tagged(mask: Mask) -> dict[str, Tensor]:
    """Frozen values, keyed `frozen:NAME`."""
    return {f"frozen:{name}": tensor for name, tensor in mask.frozen.items()}


def pack(mask: Mask) -> dict[str, Tensor]:
    """Packed bits as uint8 vectors, keyed `kept:NAME` and `held:KEY`, and frozen values as they
    are, keyed `frozen:NAME`, on the CPU.
    """
    named = {f"kept:{n}": t for n, t in mask.kept.items()}
    named |= {f"held:{n}": t for n, t in mask.held.items()}
    bits = {
        name: torch.from_numpy(np.packbits(t.cpu().numpy().reshape(-1)))
        for name, t in named.items()
    }
    return bits | {name: t.detach().cpu().contiguous() for name, t in tagged(mask).items()}


def unpack(packed: Mapping[str, Tensor], shapes: Mapping[str, tuple[int, ...]]) -> Mask:
    """The inverse of `pack`; `shapes` maps every layer name and held key to its shape."""
    parts: dict[str, dict[str, Tensor]] = {"kept": {}, "held": {}, "frozen": {}}
    for label, bits in packed.items():
        tag, name = label.split(":", 1)
        if tag == "frozen":
            parts[tag][name] = bits
            continue
        shape = shapes[name]
        flat = np.unpackbits(bits.numpy(), count=int(np.prod(shape))).astype(bool)
        parts[tag][name] = torch.from_numpy(flat.reshape(shape))
    return Mask(parts["kept"], parts["held"], frozen=parts["frozen"])
