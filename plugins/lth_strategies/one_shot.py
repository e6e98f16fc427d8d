"""One-shot magnitude pruning."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Literal

from lth_bench import (
    Layers,
    Mask,
    PerKind,
    Ticket,
    Tune,
    Unreachable,
    hookimpl,
    largest_remainder,
)


@dataclass(frozen=True, eq=False)
class OneShot:
    """Magnitude pruning of the dense run in a single step; surviving weights are rewound to their
    initial values (Frankle & Carbin, 2019, section 2 and figure 4).

    A layer with relative rate s loses the fraction s · p of its weights; p is solved so that the
    target density is met. The paper prunes the output layer at half the rate.
    """

    relative_rate: Annotated[PerKind, Tune(0.2, 1.0)] = PerKind(conv=1.0, linear=1.0, output=0.5)
    """Pruning rate of each kind of layer relative to the others; 0 excludes it."""
    scope: Literal["layer", "global"] = "layer"
    """Rank magnitudes within each layer, or over all layers with a relative rate above 0."""

    @hookimpl
    def select_mask(self, ticket: Ticket) -> Mask:
        """Remove the smallest magnitudes of the dense run."""
        return one_shot_mask(ticket, self.scores(ticket), self.relative_rate, self.scope)

    def scores(self, ticket: Ticket) -> Layers:
        """|θ| at the end of the dense run."""
        return abs(ticket.dense.trained.weights)


def one_shot_mask(
    ticket: Ticket, scores: Layers, relative_rate: PerKind, scope: Literal["layer", "global"]
) -> Mask:
    """The largest scores, exactly the target's count, each kind of layer at its relative rate."""
    sizes = {x.name: x.numel for x in ticket.layers}
    shares = {x.name: relative_rate[x.kind] for x in ticket.layers}
    counts = one_shot_counts(sizes, shares, ticket.target_count)
    if scope == "layer":
        return Mask.top_k_per_layer(scores, counts)
    pool = Layers({n: t for n, t in scores.items() if shares[n] > 0})
    chosen = Mask.top_k(pool, sum(counts[n] for n in pool))
    return Mask({n: chosen.kept.get(n, ticket.mask.kept[n]) for n in scores})


def one_shot_counts(sizes: dict[str, int], shares: dict[str, float], k: int) -> dict[str, int]:
    """Kept weights per layer: n · (1 − s · p), with p such that the counts sum to exactly k.

    Unreachable if even p = 1 / max(s), which empties a layer, keeps more than k.
    """

    def left(p: float) -> float:
        return sum(n * (1 - shares[name] * p) for name, n in sizes.items())

    most = max(shares.values())
    total = sum(sizes.values())
    if most == 0 or left(1 / most) >= k:
        least = 1.0 if most == 0 else left(1 / most) / total
        raise Unreachable(
            f"these relative rates cannot reach a density of {k / total:.4g} in one step: "
            f"emptying the layers with the highest rate leaves {least:.4g}"
        )
    p = (total - k) / sum(shares[name] * n for name, n in sizes.items())
    kept = [n * (1 - shares[name] * p) for name, n in sizes.items()]
    return dict(zip(sizes, largest_remainder(kept, k, list(sizes.values())), strict=True))
