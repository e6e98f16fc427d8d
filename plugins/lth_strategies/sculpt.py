"""SCULPT-ing: cyclic training, then pruning."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated

from lth_bench import Mask, Range, RewindPoint, Ticket, Tune, count_at, hookimpl
from lth_strategies.rewiring import Allocation, random_start


@dataclass(frozen=True, eq=False)
class Sculpt:
    """Cyclic training of a random mask, then one magnitude pruning (Gadhikar et al., 2024, "Cyclic
    sparse training: is it enough?").

    A random mask, denser than the target, is chosen at initialisation. Under it the whole schedule
    is repeated in cycles: the weights are carried over, the learning rate, the optimizer and the
    order of the batches start again. Then the weights are pruned to the target by magnitude over
    the whole network, and the ticket is trained for a last cycle.

    The published text gives neither the number of cycles nor the mask's density before the pruning:
    both defaults are this package's own choice.

    Cost: `cycles` + 1 trainings, all sparse; no dense run.
    """

    cycles: Annotated[int, Range(1, 100), Tune(1, 5)] = 2
    """Trainings under the first mask."""
    slack: Annotated[float, Range(1, 1000), Tune(1.0, 10.0, log=True)] = 2.0
    """Density of the first mask in multiples of the target's; at most all weights are kept."""
    allocation: Allocation = "erk"
    """Layer densities of the first mask: Erdős–Rényi with the kernel or without, or the same in
    every layer."""

    @hookimpl
    def select_mask(self, ticket: Ticket) -> Mask:
        """Train in cycles, then keep the largest magnitudes."""
        density = min(1.0, self.slack * ticket.target)
        first = max(ticket.target_count, count_at(density, ticket.prunable))
        mask = random_start(ticket, self.allocation, "sculpt mask", first).to(ticket.device)
        trained = ticket.fit(ticket.initial.values, mask, start=0)
        for _ in range(1, self.cycles):
            trained = ticket.fit(trained.values, mask, start=0)
        ticket.memo["values"] = trained.values
        return Mask.top_k(abs(trained.weights), ticket.target_count, within=mask)

    @hookimpl
    def rewind_point(self, ticket: Ticket) -> RewindPoint:
        """The values of the last cycle, and the whole schedule again."""
        return RewindPoint(ticket.memo["values"], 0)

    def search_steps(self, total_steps: int) -> int:
        """Steps of the cycles."""
        return self.cycles * total_steps
