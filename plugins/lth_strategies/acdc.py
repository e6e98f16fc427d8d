"""AC/DC: alternating compressed and decompressed training."""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import partial
from typing import Annotated

from lth_bench import Change, Mask, Range, StepView, TaskFacts, Ticket, Trained, Tune, hookimpl
from lth_strategies.rewiring import Rewiring

Part = Annotated[float, Range(0, 1, open_low=True, open_high=True), Tune(search=False)]


@dataclass(frozen=True, eq=False)
class ACDC(Rewiring):
    """Alternating compressed/decompressed training (Peste et al., 2021, algorithm 1).

    After a dense warm-up, sparse and dense phases alternate; the last two are a longer dense and a
    longer sparse one. A sparse phase begins with the largest magnitudes of the whole network, at
    the target density at once; its mask is fixed. A dense phase begins with the pruned weights at
    zero and with the momentum of every parameter at zero.

    The defaults are the authors' ImageNet schedule of 100 epochs: dense for 10, then 5 and 5, dense
    from 75, sparse from 85. Theirs for CIFAR, of 200 epochs, is `warmup` 0.05 and `phase` 0.1.

    Deviations: counts are exact, where the code keeps magnitudes above a percentile. Magnitudes are
    those before the step at which a phase begins. Adam's count of steps is not reset.

    Cost: one training of the task's length times `extend`, in part dense.
    """

    warmup: Annotated[float, Range(0, 1, open_high=True), Tune(search=False)] = 0.1
    """Length of the dense training before the first sparse phase, as a fraction of training."""
    phase: Part = 0.05
    """Length of a sparse or a dense phase, as a fraction of training."""
    last_dense: Part = 0.1
    """Length of the last dense phase, as a fraction of training."""
    last_sparse: Part = 0.15
    """Length of the last sparse phase, as a fraction of training."""

    def __post_init__(self) -> None:
        if self.warmup + self.last_dense + self.last_sparse > 1:
            raise ValueError(
                f"warmup, last_dense and last_sparse are fractions of one training, but sum to "
                f"{self.warmup + self.last_dense + self.last_sparse:g}"
            )

    def phases(self, steps: int) -> dict[int, bool]:
        """Step → whether a sparse phase begins there, in order; phases of no step are left out.
        ValueError if there is no step for the last one, or none before it.
        """
        final = 1 - self.last_sparse
        first_of_last_dense = final - self.last_dense
        begins = {}
        # rounded to a billionth, so that sums of fractions meet the step they stand for
        middle = first_of_last_dense - self.warmup
        for i in range(math.ceil(round(middle / self.phase, 9))):
            begins[_step(self.warmup + i * self.phase, steps)] = i % 2 == 0
        begins[_step(first_of_last_dense, steps)] = False
        last = _step(final, steps)
        if not 0 < last < steps:
            raise ValueError(
                f"a training of {steps} steps has none for a dense and a sparse phase; train longer"
            )
        return {step: sparse for step, sparse in begins.items() if step < last} | {last: True}

    def check_task(self, task: TaskFacts) -> None:
        """ValueError if training is too short for its phases."""
        self.phases(self.train_steps(task.total_steps))

    @hookimpl
    def select_mask(self, ticket: Ticket) -> Mask:
        """All weights: phases begin during training."""
        return ticket.mask

    @hookimpl
    def train(self, ticket: Ticket) -> Trained:
        """The task's recipe, in phases."""
        phases = self.phases(self.train_steps(ticket.total_steps))
        # phases whose steps have a large common divisor are called back the least
        every = math.gcd(*phases)
        return self.fit(ticket, partial(self.begin, ticket, phases), every, "never")

    def begin(self, ticket: Ticket, phases: dict[int, bool], view: StepView) -> Change | None:
        """The change with which a phase begins."""
        if view.step not in phases or phases[view.step] == (view.mask.count < ticket.prunable):
            return None
        if phases[view.step]:
            return Change(Mask.top_k(abs(view.weights), ticket.target_count))
        return Change(ticket.mask, reset_momentum="all")


def _step(fraction: float, steps: int) -> int:
    """A fraction of training in steps, rounded down."""
    return math.floor(round(fraction * steps, 6))
