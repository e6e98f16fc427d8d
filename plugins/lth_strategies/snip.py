"""SNIP: connection sensitivity at initialisation."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated

from lth_bench import Layers, Mask, Range, TaskFacts, Ticket, Tune, hookimpl, loss_gradients


@dataclass(frozen=True, eq=False)
class SNIP:
    """Single-shot network pruning by connection sensitivity (Lee et al., 2019, equation 6).

    One unaugmented minibatch at initialisation, train mode; the score of a weight is |θ · ∂L/∂θ|;
    the k largest of the whole network stay and are trained from their initial values.

    Deviations from the official code, as most later comparisons have them: weights only (it ranks
    biases too, which are zero at initialisation and so always pruned), and the weights that were
    scored are the ones that are trained (it samples them anew after masking). Scores are not
    normalised by their sum, which does not change their order.
    """

    batch_size: Annotated[int, Range(1, 10**6), Tune(16, 512, log=True)] = 128
    """Examples in the scored minibatch; the paper has 100 for MNIST and 128 for CIFAR-10."""

    def check_task(self, task: TaskFacts) -> None:
        """ValueError for a minibatch that the training split is too small for."""
        if self.batch_size > task.train_size:
            raise ValueError(
                f"batch_size = {self.batch_size} is more than the {task.train_size} training "
                f"examples that validation leaves; lower it, or the recipe's val_size"
            )

    @hookimpl
    def select_mask(self, ticket: Ticket) -> Mask:
        """The k largest sensitivities stay."""
        return Mask.top_k(self.sensitivity(ticket), ticket.target_count)

    def sensitivity(self, ticket: Ticket) -> Layers:
        """|θ · ∂L/∂θ| of every prunable weight."""
        batch = next(ticket.batches(self.batch_size, purpose="snip"))
        return abs(ticket.initial.weights * loss_gradients(ticket, batch))
