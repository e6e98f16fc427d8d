"""Methods that are wrong on purpose: each keeps what its original would prune."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from lth_bench import (
    Change,
    Layers,
    Mask,
    StepView,
    Ticket,
    UnitGroup,
    count_at,
    hookimpl,
    top_k_flat,
)
from lth_strategies.early_bird import EarlyBird
from lth_strategies.fine_tune import FineTune
from lth_strategies.gradual import Gradual, Ramp
from lth_strategies.grasp import GraSP
from lth_strategies.imp import IMP
from lth_strategies.late_rewind import LateRewind
from lth_strategies.lr_rewind import LRRewind
from lth_strategies.random import Random
from lth_strategies.rigl import RigL
from lth_strategies.snip import SNIP


class _PrunesTheLargest:
    """Of the strategies that prune trained magnitudes: the largest ones go."""

    def scores(self, ticket: Ticket) -> Layers:
        return super().scores(ticket) * -1.0


@dataclass(frozen=True, eq=False)
class InvertedImp(_PrunesTheLargest, IMP):
    """IMP, the wrong way round."""


@dataclass(frozen=True, eq=False)
class InvertedLateRewind(_PrunesTheLargest, LateRewind):
    """Late rewinding, the wrong way round."""


@dataclass(frozen=True, eq=False)
class BlindLateRewind(LateRewind):
    """Late rewinding of a random mask: what was found on the source is ignored."""

    iterative = False

    @hookimpl
    def select_mask(self, ticket: Ticket) -> Mask:
        return Random().select_mask(ticket)


@dataclass(frozen=True, eq=False)
class InvertedLrRewind(_PrunesTheLargest, LRRewind):
    """Learning-rate rewinding, the wrong way round."""


@dataclass(frozen=True, eq=False)
class InvertedFineTune(_PrunesTheLargest, FineTune):
    """Fine-tuning, the wrong way round."""


@dataclass(frozen=True, eq=False)
class InvertedSnip(SNIP):
    """Keeps the connections of least sensitivity."""

    def scores(self, ticket: Ticket) -> Layers:
        return super().scores(ticket) * -1.0


@dataclass(frozen=True, eq=False)
class InvertedGrasp(GraSP):
    """Keeps what reduces the gradient's norm most."""

    def scores(self, ticket: Ticket) -> Layers:
        return super().scores(ticket) * -1.0


@dataclass(frozen=True, eq=False)
class InvertedGradual(Gradual):
    """Prunes the largest magnitudes."""

    def prune(self, ticket: Ticket, ramp: Ramp, view: StepView) -> Change | None:
        k = count_at(ramp.density(view.step, ticket.target), ticket.prunable)
        if k >= view.mask.count:
            return None
        return Change(Mask.top_k(abs(view.weights) * -1.0, k, within=view.mask))


@dataclass(frozen=True, eq=False)
class InvertedRigl(RigL):
    """Drops the largest weights and grows the smallest gradients."""

    def rewire(self, view: StepView) -> Change | None:
        t, t_end = view.step, self.stop_fraction * view.end
        if t == 0 or t >= t_end:
            return None
        kept, revived, values = {}, {}, {}
        for name, before in view.mask.kept.items():
            weight = view.values[f"{name}.weight"]
            survivors = int(before.sum())
            n = int(self.drop_fraction * survivors)
            magnitude = (-weight.abs()).masked_fill(~before, -math.inf).flatten()
            stay = top_k_flat(magnitude, survivors - n).view_as(before)
            gradient = (-view.gradients[name].abs()).masked_fill(stay, -math.inf).flatten()
            grown = top_k_flat(gradient, n).view_as(before)
            kept[name] = stay | grown
            revived[name] = grown & ~before
            values[f"{name}.weight"] = weight.masked_fill(revived[name] | ~kept[name], 0.0)
        return Change(Mask(kept), values=values, reset_momentum=revived, replace_update=True)


@dataclass(frozen=True, eq=False)
class FirstPlaces(Random):
    """Keeps the first places of every layer, whatever the allocation."""

    @hookimpl
    def select_mask(self, ticket: Ticket) -> Mask:
        order = {x.name: -torch.arange(float(x.numel)).view(x.shape) for x in ticket.layers}
        return Mask.top_k(Layers(order), ticket.target_count)


@dataclass(frozen=True, eq=False)
class InvertedEarlyBird(EarlyBird):
    """Removes the channels of largest γ."""

    def scores(self, groups: Sequence[UnitGroup], values: Mapping[str, Tensor]) -> list[Tensor]:
        return [-score for score in super().scores(groups, values)]


@dataclass(frozen=True, eq=False)
class UnsettledEarlyBird(EarlyBird):
    """Ranks channels by late digits of γ, which no training settles."""

    def scores(self, groups: Sequence[UnitGroup], values: Mapping[str, Tensor]) -> list[Tensor]:
        return [1e4 * score % 1 for score in super().scores(groups, values)]
