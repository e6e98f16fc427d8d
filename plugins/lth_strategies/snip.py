"""SNIP: connection sensitivity at initialisation."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated

from lth_bench import Layers, Mask, Range, TaskFacts, Ticket, Tune, hookimpl, loss_gradients


@dataclass(frozen=True, eq=False)
class SNIP:
    """Single-shot network pruning by connection sensitivity (Lee et al., 2019, equation 6).

    One unaugmented minibatch at initialisation, in train mode; a weight's score is |θ · ∂L/∂θ|; the
    k largest of the whole network are kept and trained from their initial values.

    Deviations from the official code, shared with most later comparisons: only weights are ranked
    (it also ranks biases, which are zero at initialisation and so always pruned), and the scored
    weights are the ones trained (it draws new ones after masking). Scores are not normalised by
    their sum, which does not affect their order.
    """

    batch_size: Annotated[int, Range(1, 10**6), Tune(16, 512, log=True)] = 128
    """Examples in the scored minibatch; the paper uses 100 for MNIST and 128 for CIFAR-10."""

    def check_task(self, task: TaskFacts) -> None:
        """ValueError if the minibatch is larger than the training split."""
        if self.batch_size > task.train_size:
            raise ValueError(
                f"batch_size must be at most {task.train_size}, the examples in the training "
                f"split, but got {self.batch_size}; lower it, or the recipe's val_size"
            )

    @hookimpl
    def select_mask(self, ticket: Ticket) -> Mask:
        """Keep the k largest sensitivities."""
        return Mask.top_k(self.scores(ticket), ticket.target_count)

    def scores(self, ticket: Ticket) -> Layers:
        """|θ · ∂L/∂θ| of every prunable weight."""
        batch = next(ticket.batches(self.batch_size, purpose="snip"))
        return abs(ticket.initial.weights * loss_gradients(ticket, batch))
