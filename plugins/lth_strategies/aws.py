"""A winning sign: signs and mask that are found once, on any initialisation."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Annotated

import torch
from torch import Tensor, nn

from lth_bench import (
    Layer,
    Layers,
    Mask,
    Range,
    RewindPoint,
    State,
    TaskFacts,
    Ticket,
    Trained,
    Tune,
    Unreachable,
    count_at,
    exponential_density,
    hookimpl,
    redrawn,
)

NORMS = (nn.modules.batchnorm._NormBase, nn.LayerNorm, nn.GroupNorm, nn.RMSNorm)
NO_NORMS = (
    "aws trains its signs under random scales of the norms, and this network has no norm with a "
    "scale; use a model with batch or layer norm, such as conv_bn or resnet20, or late_rewind"
)
Part = Annotated[float, Range(0, 1, open_low=True), Tune(0.02, 0.5, log=True)]


@dataclass(frozen=True, eq=False)
class AWS:
    """Find a winning sign (Oh et al., 2025, "Find A Winning Sign: Sign Is All We Need to Win the
    Lottery").

    A dense network is trained a little, then pruned in rounds over all layers but the classifier;
    each round trains the survivors on from where they are, at the recipe's peak rate, with a fresh
    optimizer. In every step of this search all norms are moved towards the identity by a random
    α ~ U(0, 1): γ becomes α + (1 − α)·γ and β becomes (1 − α)·β; in evaluations α is 0. The ticket
    is the final mask on a new initialisation: every parameter but those of norms has the magnitude
    of a new draw and the sign that was found, and is 0 where that is 0. It is trained from step 0.

    The control `reinit` is the authors' "mask only"; `random_signs` breaks the signs.

    Deviations: the authors remove 20% of the survivors in each of 15 rounds, which leaves 3.5%;
    here the rounds remove the fraction that leads to the target. That the dense part has the peak
    rate too, and warms up no more than the rounds, is our reading.

    Cost: `dense_fraction` + `rounds` · `round_fraction` of a training for the search, which trains
    alone, and the ticket's training. Densities share the dense part. The dense run is not needed.
    """

    rounds: Annotated[int, Range(1, 1000), Tune(3, 20)] = 15
    """Prunings, each of which removes the same fraction of the surviving weights."""
    dense_fraction: Part = 0.1
    """Training before the first pruning, as a fraction of the task's; the paper has 10 of 100
    epochs, 20 on ImageNet."""
    round_fraction: Part = 0.1
    """Training after each pruning, as a fraction of the task's; 10 of 100 epochs, 5 on ImageNet
    in 10 rounds."""
    prune_output: bool = False
    """Whether the classifier is pruned too."""

    def lengths(self, total_steps: int) -> list[int]:
        """Steps of each training of the search: at least one, as in a smoke run."""
        first, each = (
            max(1, round(fraction * total_steps))
            for fraction in (self.dense_fraction, self.round_fraction)
        )
        return [first] + [each] * self.rounds

    def check_task(self, task: TaskFacts) -> None:
        """ValueError for a network without norms."""
        if not norms_of(task.build()):
            raise ValueError(NO_NORMS)

    @hookimpl
    def select_mask(self, ticket: Ticket) -> Mask:
        """Train and prune in turns under random norms."""
        norms = norms_of(ticket.module())
        if not norms:
            raise Unreachable(NO_NORMS)
        recipe = replace(
            ticket.recipe, schedule="constant", final_lr=0.0, milestones=(), warmup=0.0
        )

        def softened(trainables: dict[str, Tensor], _: Mask) -> dict[str, Tensor]:
            if not torch.is_grad_enabled():
                return {}
            return towards_identity(trainables, norms, float(torch.rand(())))

        def train(state: State, mask: Mask, steps: int) -> Trained:
            end = state.step + steps
            return ticket.fit(
                state.values, mask, start=state.step, end=end, recipe=recipe, parametrize=softened,
                target_independent=True,
            )  # fmt: skip

        counts = self.counts(ticket)
        mask, (first, *rounds) = ticket.mask, self.lengths(ticket.total_steps)
        trained = train(ticket.initial, mask, first)
        for k, steps in zip(counts, rounds, strict=True):
            scores = dict(abs(trained.weights))
            for layer in self.spared(ticket.layers):
                scores[layer.name] = torch.full_like(scores[layer.name], math.inf)
            mask = Mask.top_k(Layers(scores), k, within=mask)
            trained = train(trained, mask, steps)
        ticket.memo["values"] = trained.values
        return mask

    def spared(self, layers: Sequence[Layer]) -> list[Layer]:
        """The layers that stay whole."""
        return [x for x in layers if x.kind == "output" and not self.prune_output]

    def counts(self, ticket: Ticket) -> list[int]:
        """Weights kept after each round. Unreachable where the classifier alone has more."""
        whole = sum(layer.numel for layer in self.spared(ticket.layers))
        rest, k = ticket.prunable - whole, ticket.target_count - whole
        if k < 1:
            raise Unreachable(
                f"the classifier, which aws does not prune, has {whole} weights, so "
                f"{ticket.target_count} in total cannot be reached; set prune_output = true"
            )
        rounds = range(1, self.rounds + 1)
        kept = (exponential_density(n, self.rounds, k / rest) for n in rounds)
        return [whole + count_at(density, rest) for density in kept]

    @hookimpl
    def rewind_point(self, ticket: Ticket) -> RewindPoint:
        """New magnitudes with the signs that were found, and new norms, at step 0."""
        found, norms = ticket.memo["values"], norms_of(ticket.module())
        values = dict(redrawn(ticket).values)
        kept = {key for name in norms for key in (f"{name}.weight", f"{name}.bias")}
        for key, _ in ticket.module().named_parameters():
            if key not in kept:
                values[key] = signed(values[key], found[key])
        return RewindPoint(values)

    def search_steps(self, total_steps: int) -> int:
        """Steps of the search."""
        return sum(self.lengths(total_steps))


def norms_of(module: nn.Module) -> tuple[str, ...]:
    """Names of the network's norms that have a scale γ."""
    named = module.named_modules()
    return tuple(n for n, m in named if isinstance(m, NORMS) and m.weight is not None)


def towards_identity(
    values: Mapping[str, Tensor], norms: Sequence[str], alpha: float
) -> dict[str, Tensor]:
    """γ and β of these norms: α + (1 − α)·γ, (1 − α)·β."""
    found = {}
    for name in norms:
        found[f"{name}.weight"] = alpha + (1 - alpha) * values[f"{name}.weight"]
        if f"{name}.bias" in values:
            found[f"{name}.bias"] = (1 - alpha) * values[f"{name}.bias"]
    return found


def signed(fresh: Tensor, signs: Tensor) -> Tensor:
    """|fresh| · sign(signs): 0 where `signs` is 0."""
    return fresh.abs() * signs.sign()
