"""IMP with late rewinding."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Annotated

from lth_bench import Range, RewindPoint, Ticket, Tune, UserError, hookimpl
from lth_strategies.imp import IMP


@dataclass(frozen=True, eq=False)
class LateRewind(IMP):
    """IMP that rewinds surviving weights to their values at step k of the dense run (Frankle et
    al., 2020, "Linear mode connectivity"; 2019, "Stabilizing the lottery ticket hypothesis").

    Schedule and data continue from step k, as if the first k steps had been pre-training; the
    optimizer starts fresh. Batch-norm buffers are rewound with the weights.
    """

    rewind_step: Annotated[int, Range(0, 10**9)] | None = None
    """Step k. Published: 500 of 63,000 for ResNet-20, 1,000 for VGG-16. Overrides
    `rewind_fraction`; must be before the end of training, including a smoke run's."""
    rewind_fraction: Annotated[float, Range(0, 1, open_high=True), Tune(0.001, 0.2, log=True)] = (
        0.01
    )
    """Step k as a fraction of training, if `rewind_step` is not given."""

    def start_step(self, total_steps: int) -> int:
        """Step k, to which tickets are rewound and from which they are trained."""
        if self.rewind_step is None:
            return round(self.rewind_fraction * total_steps)
        if self.rewind_step >= total_steps:
            raise UserError(
                f"rewind_step must be before the end of training, below {total_steps}, but got "
                f"{self.rewind_step}; lower it, or set rewind_fraction instead"
            )
        return self.rewind_step

    @hookimpl
    def rewind_point(self, ticket: Ticket) -> RewindPoint:
        """The dense run's values at step k, and step k."""
        return RewindPoint.at(ticket.dense.at(self.start_step(ticket.total_steps)))

    def dense_checkpoints(self, total_steps: int) -> Iterable[int]:
        """Steps of the dense run whose state is needed; it is saved during that training."""
        return [self.start_step(total_steps)]
