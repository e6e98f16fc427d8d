"""What strategies that rewire while they train share: a longer training, and what it explored."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Annotated, Literal

from lth_bench import (
    Change,
    Mask,
    Range,
    StepView,
    Ticket,
    Trained,
    Tune,
    er,
    erk,
    exploration_rate,
    hookimpl,
    note_explored,
    random_mask,
    uniform,
)

Allocation = Literal["erk", "er", "uniform"]
ALLOCATE = {"erk": erk, "er": er, "uniform": uniform}


@dataclass(frozen=True, eq=False)
class Rewiring:
    """A strategy whose mask changes during training. Not a strategy itself.

    Every ticket has the metric `exploration_rate`, ITOP's R_s: the fraction of the prunable weights
    that its training has kept at some time (Liu et al., 2021).
    """

    extend: Annotated[float, Range(1, 100), Tune(search=False)] = 1.0
    """Length of training in multiples of the task's: the learning rate falls along the same curve,
    stretched, and so do the rewirings whose end is a fraction of training. 2 and 5 are usual (Evci
    et al., 2020, table 1); every step counts as cost. IMP over n rounds costs n + 1."""

    dynamic = True  # the trained mask differs from the selected one

    def train_steps(self, total_steps: int) -> int:
        """Steps of a ticket's training."""
        return max(1, round(self.extend * total_steps))

    def fit(
        self,
        ticket: Ticket,
        on_step: Callable[[StepView], Change | None],
        every: int,
        dense_gradients: Literal["on_change", "always", "never"] = "on_change",
    ) -> Trained:
        """The task's recipe, stretched by `extend`, with `on_step` every `every` steps."""

        def rewire(view: StepView) -> Change | None:
            change = on_step(view)
            note_explored(view, change)
            return change

        if self.extend == 1:
            return ticket.fit(on_step=rewire, every=every, dense_gradients=dense_gradients)
        return ticket.fit(
            on_step=rewire,
            every=every,
            dense_gradients=dense_gradients,
            recipe=ticket.recipe.stretched(self.extend, ticket.train_size),
            end=self.train_steps(ticket.total_steps),
        )

    @hookimpl
    def score(self, ticket: Ticket, trained: Trained) -> dict[str, float]:
        """The exploration rate; nothing for a control, whose mask is fixed."""
        rate = exploration_rate(trained.memo)
        return {} if rate is None else {"exploration_rate": rate}


def random_start(ticket: Ticket, allocation: Allocation, purpose: str, k: int) -> Mask:
    """`k` random connections, allocated over the layers; a function of the seed and `purpose`."""
    return random_mask(ticket, ALLOCATE[allocation](ticket.layers, k), purpose)
