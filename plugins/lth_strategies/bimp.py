"""BIMP: iterative magnitude pruning within a budget."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Literal

from lth_bench import (
    Mask,
    Range,
    Retraining,
    RewindPoint,
    TaskFacts,
    Ticket,
    Trained,
    Tune,
    adaptive_lr,
    count_at,
    exponential_density,
    hookimpl,
    pruning_distance,
    retraining,
)


@dataclass(frozen=True, eq=False)
class BIMP:
    """Budgeted iterative magnitude pruning (Zimmer et al., 2023, "How I learned to stop worrying
    and love retraining").

    A trained network is pruned in n phases over the whole network, each of which removes the same
    fraction 1 − ρ^(1/n) of the surviving weights, for the target density ρ, and is followed by a
    retraining. Weights are not rewound. All retrainings together have a budget of steps, divided
    evenly, the remainder to the last. The learning rate of each is one of the named schedules; the
    paper's own is ALLR, whose height follows from how much the pruning has changed the weights.

    Deviations: after FT and LRW, which have none, the warm-up of a retraining is a line, where the
    authors' code has half a cosine. Budgets longer than training repeat its schedule's last rate
    under LRW.

    Cost: the dense run, and `budget` of a training.
    """

    phases: Annotated[int, Range(1, 100), Tune(1, 10)] = 3
    """n: prunings, each with a retraining."""
    budget: Annotated[float, Range(0, 100, open_low=True), Tune(0.1, 1.0)] = 0.5
    """Length of all retrainings together, in multiples of the task's training."""
    retrain: Literal["FT", "LRW", "SLR", "CLR", "LLR", "ALLR"] = "ALLR"
    """Learning rate of a retraining. FT: the last rate of training. LRW: its last steps. SLR: its
    whole schedule, compressed. CLR: half a cosine from its peak. LLR: a line from its peak to 0.
    ALLR: a line to 0 from a height that is adapted to the pruning."""

    def lengths(self, total_steps: int) -> list[int]:
        """Steps of each retraining. ValueError where one would have none."""
        steps = int(self.budget * total_steps)
        each = steps // self.phases
        if each == 0:
            raise ValueError(
                f"budget = {self.budget:g} of a training of {total_steps} steps is {steps}, fewer "
                f"than one for each of {self.phases} phases; raise budget or lower phases"
            )
        return [each] * (self.phases - 1) + [steps - each * (self.phases - 1)]

    def check_task(self, task: TaskFacts) -> None:
        """ValueError if a phase would have no step."""
        self.lengths(task.total_steps)

    @hookimpl
    def select_mask(self, ticket: Ticket) -> Mask:
        """All phases but the last one's retraining."""
        trained = ticket.dense.trained
        mask, plan = self.prune(ticket, trained, ticket.mask, 1)
        for phase in range(2, self.phases + 1):
            trained = ticket.fit(
                trained.values, mask, start=plan.start, end=plan.end, recipe=plan.recipe
            )
            mask, plan = self.prune(ticket, trained, mask, phase)
        ticket.memo.update(values=trained.values, plan=plan)
        return mask

    @hookimpl
    def rewind_point(self, ticket: Ticket) -> RewindPoint:
        """The values of the phase before: nothing is rewound."""
        return RewindPoint(ticket.memo["values"], self.start_step(ticket.total_steps))

    @hookimpl
    def train(self, ticket: Ticket) -> Trained:
        """The last retraining."""
        plan = ticket.memo["plan"]
        return ticket.fit(start=plan.start, end=plan.end, recipe=plan.recipe)

    def prune(
        self, ticket: Ticket, trained: Trained, before: Mask, phase: int
    ) -> tuple[Mask, Retraining]:
        """A phase's mask, phases counted from 1, and its retraining."""
        k = count_at(exponential_density(phase, self.phases, ticket.target), ticket.prunable)
        after = Mask.top_k(abs(trained.weights), k, within=before)
        pruned = {key: value.clone() for key, value in trained.values.items()}
        after.apply_(pruned)
        parameters = [key for key, _ in ticket.module().named_parameters()]
        distance = pruning_distance(trained.values, pruned, parameters)
        steps = self.lengths(ticket.total_steps)[phase - 1]
        height = adaptive_lr(distance, 1 - k / before.count, steps / ticket.total_steps)
        return after, retraining(self.retrain, ticket.recipe, ticket.train_size, steps, height)

    def start_step(self, total_steps: int) -> int:
        """Step of the task's schedule at which the last retraining starts."""
        last = self.lengths(total_steps)[-1]
        return {"FT": total_steps, "LRW": max(0, total_steps - last)}.get(self.retrain, 0)

    def search_steps(self, total_steps: int) -> int:
        """Steps of all retrainings but the last."""
        return sum(self.lengths(total_steps)[:-1])

    def train_steps(self, total_steps: int) -> int:
        """Steps of the last retraining."""
        return self.lengths(total_steps)[-1]
