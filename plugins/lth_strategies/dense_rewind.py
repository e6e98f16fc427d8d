"""The unpruned network, trained again from a step of its own dense run."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Annotated

from lth_bench import Mask, Range, RewindPoint, Ticket, Tune, hookimpl
from lth_strategies.late_rewind import LateRewind


@dataclass(frozen=True, eq=False)
class DenseRewind:
    """From which step on the dense network is stable (Frankle et al., 2020, "Linear mode
    connectivity and the lottery ticket hypothesis", section 3).

    All weights are rewound to their values at step k of the dense run and trained to the end. With
    the control `reorder`, a second copy is trained from there in another data order, and the
    control's row has the error barrier on the line between the two. Labels at several k are the
    dense network's curve in the report's figure of the barrier, beside those of `late_rewind`.

    Reported at density 1.0 only. Both copies begin at step k with a fresh optimizer, as every
    ticket does; so where there is momentum, the one in the seed's own order is not the dense run.

    Cost: k steps of the dense run as search, and the T − k steps after it; `reorder` another T − k.
    """

    rewind_step: Annotated[int, Range(0, 10**9)] | None = None
    """Step k. Overrides `rewind_fraction`; must be before the end of training, including a smoke
    run's."""
    rewind_fraction: Annotated[float, Range(0, 1, open_high=True), Tune(search=False)] = 0.01
    """Step k as a fraction of training, if `rewind_step` is not given."""

    dense_only = True

    @property
    def _as_a_ticket(self) -> LateRewind:
        return LateRewind(rewind_step=self.rewind_step, rewind_fraction=self.rewind_fraction)

    def start_step(self, total_steps: int) -> int:
        """Step k, from which both copies are trained."""
        return self._as_a_ticket.start_step(total_steps)

    def dense_checkpoints(self, total_steps: int) -> Iterable[int]:
        """Step k of the dense run is saved during that training."""
        return self._as_a_ticket.dense_checkpoints(total_steps)

    @hookimpl
    def select_mask(self, ticket: Ticket) -> Mask:
        """Keep every weight."""
        return ticket.mask

    @hookimpl
    def rewind_point(self, ticket: Ticket) -> RewindPoint:
        """The dense run's values at step k, and step k."""
        return self._as_a_ticket.rewind_point(ticket)
