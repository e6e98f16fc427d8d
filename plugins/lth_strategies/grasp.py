"""GraSP: keep the gradient flow at initialisation."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Literal

import torch
from torch import Tensor

from lth_bench import (
    Layers,
    Mask,
    Range,
    TaskFacts,
    Ticket,
    Tune,
    balanced_batch,
    hessian_vector_product,
    hookimpl,
    loss_gradients,
)

Batch = tuple[Tensor, Tensor]
"""Inputs [N, …] and targets [N, …]."""


@dataclass(frozen=True, eq=False)
class GraSP:
    """Gradient signal preservation (Wang et al., 2020, "Picking winning tickets before training by
    preserving gradient flow", equation 8 and algorithm 2).

    A weight's score is −θ ⊙ Hg, its effect on the squared norm of the gradient g; the weights of
    largest score are removed from the whole network in one step, and the others train from their
    initial values. g and Hg are sums over the two halves of one batch, in train mode, each half
    with batch norm statistics of its own; logits are divided by `temperature`.

    Deviations: exactly the target's count, where the authors' code keeps what is at most a
    threshold; the scored weights are the network's own, where that code draws linear layers again
    for scoring. It also halves a batch that is sorted by class, so that the halves share no class:
    `batch = "official"`.

    Cost: about eight training steps on the batch; no training.
    """

    per_class: Annotated[int, Range(1, 10_000), Tune(search=False)] = 10
    """Examples of each class in the batch."""
    batch: Annotated[Literal["shuffled", "official", "random"], Tune(search=False)] = "shuffled"
    """`shuffled`: equally many of each class, in random order. `official`: sorted by class.
    `random`: as many examples, of any class; for targets that are no classes too."""
    score: Annotated[Literal["signed", "magnitude"], Tune(search=False)] = "signed"
    """Remove the largest −θ ⊙ Hg, as the paper does, or the smallest |θ ⊙ Hg|, which Frankle et al.
    (2021, "Missing the mark") find more accurate."""
    temperature: Annotated[float, Range(0, 1e6, open_low=True), Tune(search=False)] = 200.0
    """Divides the network's outputs in the loss."""

    def check_task(self, task: TaskFacts) -> None:
        """ValueError if the targets are no classes, or the training split is too small."""
        if self.batch != "random" and task.input_shape.targets != "class":
            raise ValueError(
                f"GraSP takes examples of each class, but the targets are "
                f'{task.input_shape.targets}; set batch = "random"'
            )
        size = self.per_class * task.classes
        if not 4 <= size <= task.train_size:
            raise ValueError(
                f"per_class = {self.per_class} with {task.classes} classes makes a batch of "
                f"{size}, which must be from 4 to {task.train_size}, the examples in the training "
                f"split; change per_class"
            )

    @hookimpl
    def select_mask(self, ticket: Ticket) -> Mask:
        """Keep the target's count of lowest scores."""
        return Mask.top_k(self.scores(ticket), ticket.target_count)

    def scores(self, ticket: Ticket) -> Layers:
        """θ ⊙ Hg of every prunable weight, or its magnitude: the largest stay."""
        flow = ticket.initial.weights * self.hessian_gradient(ticket)
        return abs(flow) if self.score == "magnitude" else flow

    def hessian_gradient(self, ticket: Ticket) -> Layers:
        """Hg, of the summed losses of both halves."""
        first, second = self.halves(ticket)
        g = loss_gradients(ticket, first, temperature=self.temperature)
        g = g + loss_gradients(ticket, second, temperature=self.temperature)
        hg = hessian_vector_product(ticket, first, g, temperature=self.temperature)
        return hg + hessian_vector_product(ticket, second, g, temperature=self.temperature)

    def halves(self, ticket: Ticket) -> tuple[Batch, Batch]:
        """The two halves of the batch; the first has the odd example."""
        if self.batch == "random":
            size = self.per_class * ticket.classes
            x, y = next(ticket.batches(size, purpose="grasp"))
        else:
            x, y = balanced_batch(ticket, self.per_class, purpose="grasp")
        if self.batch == "official":
            order = torch.argsort(y, stable=True)
            x, y = x[order], y[order]
        middle = (len(y) + 1) // 2
        return (x[:middle], y[:middle]), (x[middle:], y[middle:])
