"""Fine-tuning: train, prune, and train on."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Literal

from lth_bench import Layers, Mask, Range, RewindPoint, Ticket, Trained, Tune, hookimpl
from lth_strategies.imp import IMP
from lth_strategies.one_shot import one_shot_mask


@dataclass(frozen=True, eq=False)
class PruneTrained(IMP):
    """Magnitude pruning of a trained network, a rate a round or all at once. Not a strategy itself:
    what follows on the pruning is left to others.
    """

    pruning: Literal["iterative", "one_shot"] = "iterative"
    """Prune by `prune_rate` a round and retrain after each; or prune the dense run to the target in
    a single step, each kind of layer in proportion to its `prune_rate`, and retrain once."""

    @property
    def iterative(self) -> bool:  # type: ignore[override]  # IMP always is
        """Whether each density continues from the one before."""
        return self.pruning == "iterative"

    @hookimpl
    def select_mask(self, ticket: Ticket) -> Mask:
        """Remove the smallest trained magnitudes."""
        scores = self.scores(ticket)
        if self.pruning == "one_shot":
            return one_shot_mask(ticket, scores, self.prune_rate, self.scope)
        return ticket.mask.shrink(scores, self.prune_rate, ticket.target, self.scope)

    def scores(self, ticket: Ticket) -> Layers:
        """|θ| at the end of the training behind the mask; in one step, of the dense run."""
        trained = ticket.dense.trained if self.pruning == "one_shot" else ticket.trained
        return abs(trained.weights)


@dataclass(frozen=True, eq=False)
class FineTune(PruneTrained):
    """Train, prune, fine-tune (Han et al., 2015; as a baseline, Renda et al., 2020, section 2).

    The surviving weights keep their trained values, and training goes on at the learning rate with
    which the schedule ended, and with the batches that would have come next. The optimizer starts
    fresh. Iterative: each round prunes what the last one has tuned.

    The last rate of a schedule that falls to 0 (`cosine`, `linear`) is next to nothing: give the
    recipe a `final_lr`.

    Cost: the dense run, and `tune_fraction` of a training a round.
    """

    tune_fraction: Annotated[float, Range(0, 100, open_low=True), Tune(0.1, 1.0)] = 1.0
    """Length of a round's fine-tuning in multiples of the task's training."""

    @hookimpl
    def rewind_point(self, ticket: Ticket) -> RewindPoint:
        """The trained values, and the end of the schedule."""
        return RewindPoint(ticket.trained.values, ticket.total_steps)

    @hookimpl
    def train(self, ticket: Ticket) -> Trained:
        """Train on at the last learning rate."""
        return ticket.fit(end=ticket.total_steps + self.train_steps(ticket.total_steps))

    def start_step(self, total_steps: int) -> int:
        """Fine-tuning starts at the end of the schedule."""
        return total_steps

    def train_steps(self, total_steps: int) -> int:
        """Steps of fine-tuning."""
        return max(1, round(self.tune_fraction * total_steps))
