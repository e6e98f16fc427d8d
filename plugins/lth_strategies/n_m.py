"""N:M sparsity and constant fan-in: patterns that hardware uses."""

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
from lth_strategies.fan_in import as_weight, by_unit, largest_of_rows


@dataclass(frozen=True, eq=False)
class NM:
    """N:M sparsity: in every group of M weights along a layer's input channels, N are kept. With
    `pattern = "fan_in"` the fraction N/M of all weights into every output unit is: constant fan-in
    (Lasby et al., 2024, "Dynamic sparse training with structured sparsity", without its rewiring).

    `magnitude`: the N largest of the trained dense network, whose training is then repeated from
    the trained values (Mishra et al., 2021, "Accelerating sparse deep neural networks"; NVIDIA's
    ASP). `sr_ste`: a dense network is trained whose forward pass uses the N largest of each group,
    chosen again in every step; the gradient passes to all weights, and those left out decay by
    `decay` (Zhou et al., 2021, "Learning N:M fine-grained structured sparse neural networks from
    scratch", equation 8).

    Groups lie within one output unit and one position of the kernel; a grouped convolution's within
    its part of the inputs. A layer whose inputs are no multiple of M has no such groups (nor, for a
    constant fan-in, one of whose fan-in N/M is no whole number): it is refused, or kept dense,
    which ASP does. The density is then above N/M, and a suite has to name it. Ties go to the
    earlier weight.

    Deviations from SR-STE's code: groups that straddle rows are not made; the output layer follows
    the pattern, as all others do.

    Cost: `magnitude` the dense run and a training; `sr_ste` one training, stepwise dense in its
    backward pass, and charged as dense.
    """

    n: Annotated[int, Range(1, 1024), Tune(search=False)] = 2
    """N, the weights kept in each group."""
    m: Annotated[int, Range(2, 1024), Tune(search=False)] = 4
    """M, the weights in a group."""
    pattern: Annotated[Literal["n_m", "fan_in"], Tune(search=False)] = "n_m"
    """N of every M neighbouring inputs, or N/M of all weights into an output unit."""
    method: Annotated[Literal["magnitude", "sr_ste"], Tune(search=False)] = "magnitude"
    """Choose once from the trained dense network, or in every step of one training."""
    unfitting: Annotated[Literal["refuse", "dense"], Tune(search=False)] = "refuse"
    """What becomes of layers that cannot have the pattern."""
    decay: Annotated[float, Range(0, 1), Tune(search=False)] = 2e-4
    """SR-STE's λ, the decay of weights that are left out."""

    def __post_init__(self) -> None:
        if self.n >= self.m:
            raise ValueError(f"n must be below m, but got n = {self.n} and m = {self.m}")

    @property
    def dynamic(self) -> bool:
        """Under SR-STE the trained mask is chosen at the end."""
        return self.method == "sr_ste"

    @property
    def reaches(self) -> tuple[float, ...] | None:
        """N/M where every layer has the pattern; otherwise what the network gives."""
        return (self.n / self.m,) if self.unfitting == "refuse" else None

    def check_task(self, task: TaskFacts) -> None:
        """ValueError where a layer, or every layer, has no groups of M."""
        self.require_groups(task.layers)

    def fits(self, layer: Layer) -> bool:
        """Whether the layer can have the pattern."""
        if self.pattern == "fan_in":
            return layer.fan_in * self.n % self.m == 0
        return inputs(layer) % self.m == 0

    def require_groups(self, layers: Sequence[Layer]) -> None:
        """ValueError where a layer, or every layer, cannot have the pattern."""
        odd = [x for x in layers if not self.fits(x)]
        if len(odd) < len(layers) and (not odd or self.unfitting == "dense"):
            return
        whole = self.pattern == "fan_in"
        named = ", ".join(f"{x.name} ({x.fan_in if whole else inputs(x)})" for x in odd[:3])
        more = f" and {len(odd) - 3} more" if len(odd) > 3 else ""
        needs = (
            f"a constant fan-in needs fan-ins of which {self.n}/{self.m} is a whole number"
            if whole
            else f"{self.n}:{self.m} needs input channels in multiples of {self.m}"
        )
        advice = "" if len(odd) == len(layers) else ', or set unfitting = "dense" to keep them'
        raise ValueError(f"{needs}, which {named}{more} do not have; choose another m{advice}")

    def counts(self, ticket: Ticket) -> dict[str, int]:
        """Kept weights per layer. Unreachable if they are not the target's."""
        try:
            self.require_groups(ticket.layers)
        except ValueError as refusal:
            raise Unreachable(str(refusal)) from refusal
        counts = {
            x.name: x.numel * self.n // self.m if self.fits(x) else x.numel for x in ticket.layers
        }
        total = sum(counts.values())
        if total != ticket.target_count:
            raise Unreachable(
                f"this pattern keeps {total} of {ticket.prunable} weights of this network, a "
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
        layers = [x for x in ticket.layers if self.fits(x)]

        def pattern(trainables: Mapping[str, Tensor], _: Mask) -> dict[str, Tensor]:
            weights = {x.key: trainables[x.key] for x in layers}
            kept = {x.key: self.largest(weights[x.key], x) for x in layers}
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
            kept[x.name] = self.largest(values[x.key], x) if self.fits(x) else whole
        return Mask(kept, layers=ticket.layers)

    def largest(self, weight: Tensor, layer: Layer) -> Tensor:
        """bool of the weight's shape: the largest magnitudes that the pattern keeps."""
        if self.pattern == "fan_in":
            return best_of_units(weight, layer, layer.fan_in * self.n // self.m)
        return best(weight, layer, self.n, self.m)


def inputs(layer: Layer) -> int:
    """Input channels that an output of the layer reads, along which groups lie."""
    return layer.shape[0] // layer.groups if layer.transposed else layer.shape[1]


def best(weight: Tensor, layer: Layer, n: int, m: int) -> Tensor:
    """bool of the weight's shape: the n largest magnitudes of every m along its input channels;
    ties go to the earlier one.
    """
    along = 0 if layer.transposed else 1
    groups = weight.movedim(along, -1)
    kept = largest_of_rows(groups.reshape(-1, m).abs(), n)
    return kept.view(groups.shape).movedim(-1, along).contiguous()


def best_of_units(weight: Tensor, layer: Layer, n: int) -> Tensor:
    """The same for the n largest magnitudes of all weights into an output unit."""
    return as_weight(largest_of_rows(by_unit(weight, layer).abs(), n), layer)


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
