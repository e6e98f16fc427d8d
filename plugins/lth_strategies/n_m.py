"""N:M sparsity: of M neighbouring weights at most N are kept, a pattern that hardware uses."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Annotated, Any, Literal

import torch
from torch import Tensor

from lth_bench import (
    Layer,
    Mask,
    Range,
    RewindPoint,
    TaskFacts,
    Ticket,
    Trained,
    Tune,
    Unreachable,
    count_at,
    hookimpl,
)


@dataclass(frozen=True, eq=False)
class NM:
    """N:M sparsity: in every group of M weights along a layer's input channels, N are kept.

    `magnitude`: the N largest of the trained dense network, whose training is then repeated from
    the trained values (Mishra et al., 2021, "Accelerating sparse deep neural networks"; NVIDIA's
    ASP). `sr_ste`: a dense network is trained whose forward pass uses the N largest of each group,
    chosen again in every step; the gradient passes to all weights, and those left out decay by
    `decay` (Zhou et al., 2021, "Learning N:M fine-grained structured sparse neural networks from
    scratch", equation 8).

    Groups lie within one output unit and one position of the kernel; a grouped convolution's within
    its part of the inputs. A layer whose inputs are no multiple of M has no such groups: it is
    refused, or kept dense, which ASP does. The density is then above N/M, and a suite has to name
    it. Ties go to the earlier weight.

    Deviations from SR-STE's code: groups that straddle rows are not made; the output layer follows
    the pattern, as all others do.

    Cost: `magnitude` the dense run and a training; `sr_ste` one training, stepwise dense in its
    backward pass, and charged as dense.
    """

    n: Annotated[int, Range(1, 1024), Tune(search=False)] = 2
    """N, the weights kept in each group."""
    m: Annotated[int, Range(2, 1024), Tune(search=False)] = 4
    """M, the weights in a group."""
    method: Annotated[Literal["magnitude", "sr_ste"], Tune(search=False)] = "magnitude"
    """Choose once from the trained dense network, or in every step of one training."""
    unfitting: Annotated[Literal["refuse", "dense"], Tune(search=False)] = "refuse"
    """What becomes of layers whose input channels are no multiple of M."""
    decay: Annotated[float, Range(0, 1), Tune(search=False)] = 2e-4
    """SR-STE's λ, the decay of weights that are left out."""

    dynamic = True  # under SR-STE the trained mask is chosen at the end

    def __post_init__(self) -> None:
        if self.n >= self.m:
            raise ValueError(f"n must be below m, but got n = {self.n} and m = {self.m}")

    @property
    def reaches(self) -> tuple[float, ...] | None:
        """N/M where every layer has the pattern; otherwise what the network gives."""
        return (self.n / self.m,) if self.unfitting == "refuse" else None

    def check_task(self, task: TaskFacts) -> None:
        """ValueError where a layer, or every layer, has no groups of M."""
        self.require_groups(task.layers)

    def require_groups(self, layers: Sequence[Layer]) -> None:
        """ValueError where a layer, or every layer, has no groups of M."""
        odd = [x for x in layers if inputs(x) % self.m]
        if len(odd) == len(layers) or (odd and self.unfitting == "refuse"):
            named = ", ".join(f"{x.name} ({inputs(x)})" for x in odd[:3])
            more = f" and {len(odd) - 3} more" if len(odd) > 3 else ""
            what = "" if len(odd) == len(layers) else ', or set unfitting = "dense" to keep them'
            raise ValueError(
                f"{self.n}:{self.m} needs input channels in multiples of {self.m}, which "
                f"{named}{more} do not have; choose another m{what}"
            )

    def counts(self, ticket: Ticket) -> dict[str, int]:
        """Kept weights per layer. Unreachable if they are not the target's."""
        try:
            self.require_groups(ticket.layers)
        except ValueError as refusal:
            raise Unreachable(str(refusal)) from refusal
        counts = {
            x.name: x.numel if inputs(x) % self.m else x.numel // self.m * self.n
            for x in ticket.layers
        }
        total = sum(counts.values())
        if total != ticket.target_count:
            raise Unreachable(
                f"{self.n}:{self.m} keeps {total} of {ticket.prunable} weights of this network, a "
                f"density of {written(total, ticket.prunable)}, and not {ticket.target:g}"
            )
        return counts

    @hookimpl
    def select_mask(self, ticket: Ticket) -> Mask:
        """The pattern's mask; under SR-STE every weight, all of which compete in training."""
        self.counts(ticket)
        return ticket.mask if self.method == "sr_ste" else self.mask(ticket, ticket.dense.values)

    @hookimpl
    def rewind_point(self, ticket: Ticket) -> RewindPoint:
        """The trained values and the whole schedule; under SR-STE the initial values."""
        if self.method == "sr_ste":
            return RewindPoint.at(ticket.initial)
        return RewindPoint(ticket.dense.values, step=0)

    @hookimpl
    def train(self, ticket: Ticket) -> Trained:
        """The recipe; under SR-STE with the pattern in the forward pass."""
        if self.method == "magnitude":
            return ticket.fit()
        layers = [x for x in ticket.layers if not inputs(x) % self.m]

        def pattern(trainables: Mapping[str, Tensor], _: Mask) -> dict[str, Tensor]:
            weights = {x.key: trainables[x.key] for x in layers}
            kept = {x.key: best(weights[x.key].detach(), x, self.n, self.m) for x in layers}
            return {
                key: SparseRefined.apply(weight, kept[key], self.decay)
                for key, weight in weights.items()
            }

        trained = ticket.fit(parametrize=pattern, target_independent=True)
        # the weights that the network uses are 0 where they are left out
        return replace(trained, mask=self.mask(ticket, trained.values))

    def mask(self, ticket: Ticket, values: Mapping[str, Tensor]) -> Mask:
        """The N largest magnitudes of every group; layers without groups whole."""
        kept = {}
        for x in ticket.layers:
            whole = ticket.mask.kept[x.name]
            kept[x.name] = whole if inputs(x) % self.m else best(values[x.key], x, self.n, self.m)
        return Mask(kept, layers=ticket.layers)


def inputs(layer: Layer) -> int:
    """Input channels that an output of the layer reads, along which groups lie."""
    return layer.shape[0] // layer.groups if layer.transposed else layer.shape[1]


def best(weight: Tensor, layer: Layer, n: int, m: int) -> Tensor:
    """bool of the weight's shape: the n largest magnitudes of every m along its input channels;
    ties go to the earlier one.
    """
    along = 0 if layer.transposed else 1
    groups = weight.detach().abs().movedim(along, -1)
    split = groups.reshape(-1, m)
    order = torch.argsort(split, dim=1, descending=True, stable=True)
    kept = torch.zeros_like(split, dtype=torch.bool).scatter_(1, order[:, :n], True)
    return kept.view(groups.shape).movedim(-1, along).contiguous()


class SparseRefined(torch.autograd.Function):
    """SR-STE: forward w ⊙ m, backward g + λ (1 − m) ⊙ w."""

    @staticmethod
    def forward(ctx: Any, weight: Tensor, kept: Tensor, decay: float) -> Tensor:
        """The weight where it is kept, 0 elsewhere."""
        ctx.save_for_backward(weight, kept)
        ctx.decay = decay
        return weight * kept

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor, None, None]:
        """The gradient for every weight, and the decay of those left out."""
        weight, kept = ctx.saved_tensors
        return gradients[0] + ctx.decay * ~kept * weight, None, None


def written(count: int, total: int) -> str:
    """The shortest decimal that means this many of `total` weights."""
    digits = 1
    while count_at(round(count / total, digits), total) != count:
        digits += 1
    return f"{round(count / total, digits)}"
