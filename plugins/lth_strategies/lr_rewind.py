"""Learning-rate rewinding."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from lth_bench import RewindPoint, Ticket, hookimpl
from lth_strategies.fine_tune import PruneTrained
from lth_strategies.late_rewind import LateRewind


@dataclass(frozen=True, eq=False)
class LRRewind(PruneTrained, LateRewind):
    """Learning-rate rewinding (Renda et al., 2020, section 3).

    The surviving weights keep their trained values; the learning rate, and the order of the
    batches, go back to step k, and training is repeated from there. The optimizer starts fresh.
    With weights rewound as well it would be late rewinding; with the rate kept, fine-tuning.

    Cost: the dense run, and T − k steps a round.
    """

    @hookimpl
    def rewind_point(self, ticket: Ticket) -> RewindPoint:
        """The trained values, at step k."""
        return RewindPoint(ticket.trained.values, self.start_step(ticket.total_steps))

    def dense_checkpoints(self, total_steps: int) -> Iterable[int]:
        """None: only the learning rate goes back. Checks that k is a step of training."""
        self.start_step(total_steps)
        return []
