"""Channels and neurons: scores by unit, and the mask that removes whole units.

A unit is a channel or a neuron with all that serves it. Layers joined by a residual sum share
their units, which can only go together: `ticket.units` has one `UnitGroup` for each set of such
layers, in the network's order, and scores come as one vector a group. The output layer's units are
classes and never go. A strategy that removes units declares `structured = True`.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

import torch
from torch import Tensor

from lth_bench.masks import Mask
from lth_bench.structure import (
    UnitGroup,
    largest_below,
    measure_network,
    removed_units,
    shrink_network,
)
from lth_bench.ticket import Ticket
from lth_bench.training.request import Penalty
from lth_bench.training.state import Trained


def unit_scores(groups: Sequence[UnitGroup], scores: Mapping[str, Tensor]) -> list[Tensor]:
    """Sum scores of weights to scores of units: float64 [size] for each group, on the CPU.

    `scores` has a tensor of the weight's shape for each layer (`Layers`); a unit's score is the sum
    over its incoming weights, averaged over coupled layers. With `abs(weights)` that is a filter's
    L1 norm (Li et al., 2017).
    """
    return [group.sums(scores) for group in groups]


def norm_scores(groups: Sequence[UnitGroup], values: Mapping[str, Tensor]) -> list[Tensor]:
    """|γ| of each unit's batch norm, averaged over coupled ones: float64 [size] for each group.

    `values` are all parameters and buffers, as in `ticket.trained.values` (Liu et al., 2017,
    network slimming). Units without a batch norm are excluded: their score is infinite. ValueError
    if no group has one.
    """
    if not any(group.norms for group in groups):
        raise ValueError("the network has no batch norm to score its units by; use unit_scores")
    return [
        g.scores_from_norms(values) if g.norms else torch.full((g.size,), torch.inf).double()
        for g in groups
    ]


def rank_within(scores: Tensor) -> Tensor:
    """Each unit's rank in its group as a fraction in (0, 1], 1 for the best; ties go to the earlier
    unit.

    `scores` and the result are [size]. Scores of different layers are rarely comparable: ranked by
    these fractions, every layer loses the same fraction of its units.
    """
    order = torch.argsort(scores, descending=True, stable=True)
    ranks = torch.empty_like(scores)
    ranks[order] = torch.arange(len(scores), 0, -1, dtype=scores.dtype) / len(scores)
    return ranks


def unit_mask(ticket: Ticket, scores: Sequence[Tensor], k: int | None = None) -> Mask:
    """The largest mask of whole units with at most `k` weights (the target's), best units first,
    within `ticket.mask`.

    `scores` holds a vector [size] for each group of `ticket.units`; all units are ranked together,
    ties go to the earlier one. Every group keeps its best unit, and units of infinite score are
    excluded. The mask also holds the biases, γ and β of removed units at zero. Raises `Unreachable`
    (the row is then reported as skipped) where what must stay is more than `k`.

        structured = True

        @hookimpl
        def select_mask(self, ticket):
            scores = unit_scores(ticket.units, abs(ticket.trained.weights))
            return unit_mask(ticket, [rank_within(s) for s in scores])
    """
    if len(scores) != len(ticket.units):
        raise ValueError(
            f"the network has {len(ticket.units)} groups of units, but there are scores for "
            f"{len(scores)}"
        )
    # units that an earlier round removed go first again
    gone = removed_units(ticket.units, ticket.mask)
    within = [
        s.detach().double().cpu().masked_fill(g, -math.inf)
        for s, g in zip(scores, gone, strict=True)
    ]
    most = ticket.target_count if k is None else k
    mask = largest_below(ticket.units, ticket.layers, within, most)
    return mask & ticket.mask.to("cpu")  # which may lack single weights of surviving units


def next_unit_count(ticket: Ticket, rate: float) -> int:
    """Most weights that a round may keep: the fraction `rate` fewer than `ticket.mask`, but no
    fewer than the target's.
    """
    return max(ticket.target_count, math.floor(ticket.mask.count * (1 - rate)))


def norm_penalty(groups: Sequence[UnitGroup], weight: float) -> Penalty | None:
    """`weight` · Σ|γ| over the batch norms of all units, for `ticket.fit(penalty=…)`; None where
    that is nothing. Its gradient is `weight` · sign(γ), 0 for γ = 0 (Liu et al., 2017).
    """
    keys = sorted({f"{name}.weight" for group in groups for name in group.norms})
    if not keys or weight == 0:
        return None

    def l1_of_gammas(values: Mapping[str, Tensor]) -> Tensor:
        return weight * torch.stack([values[key].abs().sum() for key in keys]).sum()

    return l1_of_gammas


def shrunk_metrics(ticket: Ticket, trained: Trained) -> dict[str, float]:
    """The ticket as a physically smaller network, measured on this device, beside the dense one.

    `shrunk_parameters`; `shrunk_flops` (one example, 2 per multiply-add);
    `shrunk_latency_seconds` and `dense_latency_seconds` (median forward pass of one example).
    """
    module = ticket.module(trained.values)
    small = shrink_network(module, ticket.input_shape, trained.mask, ticket.units)
    measured = measure_network(small, ticket.input_shape)
    dense = measure_network(module, ticket.input_shape)
    metrics = {f"shrunk_{name}": value for name, value in measured.items()}
    return metrics | {"dense_latency_seconds": dense["latency_seconds"]}
