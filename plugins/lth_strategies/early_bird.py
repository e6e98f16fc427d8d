"""Early-Bird tickets: structured masks, drawn as soon as they stop changing."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import islice
from typing import Annotated

import torch
from torch import Tensor

from lth_bench import (
    Mask,
    Range,
    RewindPoint,
    TaskFacts,
    Ticket,
    Trained,
    Tune,
    UnitGroup,
    Watch,
    hookimpl,
    largest_below,
    norm_penalty,
    norm_scores,
    rank_within,
    removed_units,
    shrunk_metrics,
)


@dataclass(frozen=True, eq=False)
class EarlyBird:
    """Early-Bird tickets (You et al., 2020, algorithm 1).

    Dense training with an L1 penalty on the batch norms' γ. Before each epoch the mask that pruning
    to the target would give is appended to a FIFO queue; once the newest mask differs from every
    other in the queue by at most `threshold` of its bits, the ticket is drawn. Training continues
    from that epoch's weights and schedule with a fresh optimizer and without the penalty.

    Units are ranked globally by |γ| (coupled channels by their mean); units without batch norm are
    excluded, and mask distances only cover ranked units, as in the authors' code. A mask made while
    all γ are equal, as before any training, is not queued.

    In networks without batch norm, units are ranked within their layer by the L1 norm of their
    incoming weights, and every layer loses the same fraction of its units (Li et al., 2017), since
    norms of layers with different fan-in are not comparable. There is no penalty.

    Deviations: the target is a density in weights, so the fraction of channels is the one that
    gives the largest ticket at or below it. Every layer keeps a unit. If the mask has not settled
    by `latest`, the current one is used (metric `drawn` is then 0).

    With `search_bits = 8` the search is the paper's low-precision one (section 3.4): block floating
    point as in SWALP (`Recipe.bits`), whose rounded γ rank the channels. γ have few bits, so ties
    are frequent, and go to the earlier channel; the authors' code removes all that tie. The ticket
    trains in the recipe's own precision, from the rounded weights. A recipe that has `bits` itself
    rounds the ticket's training too.

    Cost: a search, which all densities share up to where each stops, and the rest of the schedule.
    The search in few bits takes as many steps and FLOPs; what it saves is in
    `search_bit_operations`.
    """

    threshold: Annotated[float, Range(0, 1, open_low=True), Tune(0.01, 0.5, log=True)] = 0.1
    """Maximum distance between settled masks, as a fraction of differing bits."""
    window: Annotated[int, Range(2, 100), Tune(2, 10)] = 5
    """Masks in the queue: the newest and those it is compared with."""
    l1: Annotated[float, Range(0, 1), Tune(search=False)] = 1e-4
    """Weight of Σ|γ| in the loss during the search."""
    interval: Annotated[float, Range(0, 1000, open_low=True), Tune(search=False)] = 1.0
    """Epochs between masks."""
    latest: Annotated[float, Range(0, 1, open_low=True, open_high=True), Tune(search=False)] = 0.5
    """Fraction of training after which the current mask is used even if it has not settled."""

    search_bits: Annotated[int, Range(2, 16), Tune(search=False)] | None = None
    """Bits of the search's weights, activations, errors, gradients and momentum; 8 in the paper's
    low-precision search. None for the recipe's own precision."""

    structured = True  # masks remove whole units, the largest count at or below the target

    def check_task(self, task: TaskFacts) -> None:
        """ValueError for a network whose units cannot be removed, or that cannot be trained in
        `search_bits`.
        """
        _ = task.units
        if self.search_bits is not None:
            task.require_bits(self.search_bits)

    @hookimpl
    def select_mask(self, ticket: Ticket) -> Mask:
        """Search with a dense training that stops once the masks have settled."""
        groups = ticket.units

        def settled(view: Watch) -> bool:
            scores = self.scores(groups, view.values)
            if all_equal(scores):
                return False  # all γ equal, as initially: the mask would only reflect the tie rule
            mask = largest_below(groups, ticket.layers, scores, ticket.target_count)
            # step → mask bits: the queue, and earlier masks for the figure of distances
            history = view.memo.setdefault("history", {})
            history[view.step] = ranked_bits(groups, mask, scores)
            queue = list(reversed(history.values()))[: self.window]
            return has_settled(queue, self.window, self.threshold)

        bits = self.search_bits
        search = ticket.fit(
            recipe=None if bits is None else replace(ticket.recipe, bits=bits),
            end=max(1, round(self.latest * ticket.total_steps)),
            penalty=norm_penalty(groups, self.l1),
            until=settled,
            every=max(1, round(self.interval * ticket.steps_per_epoch)),
            target_independent=True,  # all densities watch the same training
        )
        ticket.memo["search"] = search
        if history := search.memo.get("history"):
            steps = thinned(list(history), 256)
            distances = mask_distances(torch.stack([history[step] for step in steps]))
            ticket.keep_matrix("mask_distance", steps, distances)
        scores = self.scores(groups, search.values)
        return largest_below(groups, ticket.layers, scores, ticket.target_count)

    def scores(self, groups: Sequence[UnitGroup], values: Mapping[str, Tensor]) -> list[Tensor]:
        """By group, the score of each unit: |γ|, or its rank by the L1 norm of the incoming weights
        in a network without batch norm. In one with it, units without are excluded: infinite.
        """
        if any(group.norms for group in groups):
            return norm_scores(groups, values)
        return [rank_within(g.scores_from_weights(values)) for g in groups]

    @hookimpl
    def rewind_point(self, ticket: Ticket) -> RewindPoint:
        """The weights and step at which the search stopped."""
        return RewindPoint.at(ticket.memo["search"])

    @hookimpl
    def score(self, ticket: Ticket, trained: Trained) -> dict[str, float]:
        """The cost of the search, and the small network as `shrunk_metrics` measures it.

        `draw_step` in steps, `drawn` 1 or 0.
        """
        metrics = shrunk_metrics(ticket, trained)
        search: Trained | None = ticket.memo.get("search")
        if search is not None:
            metrics["draw_step"] = float(search.step)
            metrics["drawn"] = float(search.stopped)
        return metrics

    def search_steps(self, total_steps: int) -> int:
        """Approximate length of the search: half of the maximum; for planning only."""
        return round(self.latest * total_steps / 2)

    def start_step(self, total_steps: int) -> int:
        """Approximate step at which a ticket's training starts, where its search stopped; for
        planning only.
        """
        return self.search_steps(total_steps)


def all_equal(scores: Sequence[Tensor]) -> bool:
    """Whether all scores are equal, not counting excluded units."""
    ranked = torch.cat([s[torch.isfinite(s)] for s in scores])
    return bool((ranked == ranked[:1]).all())


def ranked_bits(groups: Sequence[UnitGroup], mask: Mask, scores: Sequence[Tensor]) -> Tensor:
    """One bit per ranked unit, all groups concatenated: whether the mask keeps it. Excluded units,
    which every mask keeps, would dilute the distances.
    """
    ranked = torch.isfinite(torch.cat(list(scores)))
    return ~torch.cat(removed_units(groups, mask))[ranked.cpu()]


def thinned(steps: list[int], most: int) -> list[int]:
    """At most `most` of the steps, evenly spaced, including the first and the last."""
    if len(steps) <= most:
        return steps
    return [steps[i * (len(steps) - 1) // (most - 1)] for i in range(most)]


def mask_distances(bits: Tensor) -> Tensor:
    """Pairwise fractions of differing bits of the masks [n, units]: [n, n]."""
    return torch.stack([(bits != mask).double().mean(dim=1) for mask in bits])


def has_settled(queue: Sequence[Tensor], window: int, threshold: float) -> bool:
    """Whether the queue is full and its newest mask is within `threshold` of each of the others.

    The distance is the fraction of differing bits (You et al., 2020, section 3.3). The newest mask
    is first.
    """
    if len(queue) < window:
        return False
    newest = queue[0]
    # divided as Python floats, so that one bit of ten is not above 0.1
    distances = [int((newest ^ older).sum()) / len(newest) for older in islice(queue, 1, None)]
    return max(distances) <= threshold
