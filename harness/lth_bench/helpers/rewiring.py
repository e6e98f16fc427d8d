"""What methods that rewire while they train share: dropping, growing, momentum, exploration.

A rewiring of a layer is `stay = drop_smallest(weight, kept, n)`, then `grown = grow_largest(score,
stay, n)`; the new mask is `stay | grown`. All tensors have the weight's shape; masks are boolean.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor

from lth_bench.errors import UserError
from lth_bench.masks import Layers, Mask
from lth_bench.masks.allocation import top_k_flat
from lth_bench.ticket import Ticket
from lth_bench.training.request import Change, StepView

SEEN = "explored"
"""The key of a callback's memo under which the explored weights lie."""


def drop_smallest(weight: Tensor, kept: Tensor, n: int) -> Tensor:
    """`kept` without its `n` weights of smallest magnitude; ties go against the later position.

    ValueError unless 0 ≤ n ≤ the number of kept weights.
    """
    survivors = int(kept.sum())
    magnitude = weight.abs().masked_fill(~kept, -torch.inf).flatten()
    return top_k_flat(magnitude, survivors - n).view_as(kept)


def grow_largest(score: Tensor, stay: Tensor, n: int) -> Tensor:
    """The `n` positions of largest score among those that do not stay; ties go to the earlier.

    A position that was dropped a moment ago may be grown again. ValueError if fewer than `n` are
    free.
    """
    free = stay.numel() - int(stay.sum())
    if n > free:
        raise ValueError(f"cannot grow {n} weights: {free} positions are free")
    return top_k_flat(score.masked_fill(stay, -torch.inf).flatten(), n).view_as(stay)


def random_mask(ticket: Ticket, counts: Mapping[str, int], purpose: str) -> Mask:
    """Random positions, `counts[name]` of each layer: a function of (seed, purpose).

    For one purpose and seed, the masks of larger counts contain those of smaller ones.
    """
    draws = ticket.stream(purpose)
    scores = {x.name: torch.rand(x.shape, generator=draws) for x in ticket.layers}
    return Mask.top_k_per_layer(Layers(scores), counts)


def momentum_of(view: StepView) -> Layers:
    """The running mean of gradients of every prunable weight, pruned ones included.

    SGD's momentum buffer; for Adam the first moment over the root of the second, m / (√v + 1e-8),
    the direction of its update (Dettmers & Zettlemoyer, 2019). Before this step's update, so
    without this step's gradient. UserError if the optimizer keeps none.
    """
    found = {}
    for name in view.mask.kept:
        state = view.optimizer_state[f"{name}.weight"]
        if state.get("momentum_buffer") is not None:
            found[name] = state["momentum_buffer"]
        elif "exp_avg" in state and "exp_avg_sq" in state:
            found[name] = state["exp_avg"] / (state["exp_avg_sq"].sqrt() + 1e-8)
        else:
            raise UserError(
                "the method ranks weights by their momentum, and the optimizer keeps none; use "
                "SGD with a momentum above 0, or Adam"
            )
    return Layers(found)


def note_explored(view: StepView, change: Change | None) -> None:
    """Remember in the view's memo which weights the training has kept so far. For `on_step`, with
    what it is about to return.
    """
    if SEEN not in view.memo:
        view.memo[SEEN] = {name: kept.clone() for name, kept in view.mask.kept.items()}
    if change is not None and change.mask is not None:
        for name, seen in view.memo[SEEN].items():
            seen |= change.mask.kept[name]


def exploration_rate(memo: Mapping[str, Any]) -> float | None:
    """R_s: fraction of the prunable weights that were ever kept, in (0, 1] (Liu et al., 2021, "Do
    we actually need dense over-parameterization?", equation 2); None if none were noted.

    `memo` is `Trained.memo` of a training whose `on_step` called `note_explored`.
    """
    seen = memo.get(SEEN)
    return None if not seen else Mask(seen).density
