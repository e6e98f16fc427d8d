"""The round loop of tickets that are searched for in one place and trained in another: on other
data, from other values, on another task.
"""

from __future__ import annotations

from abc import ABC, abstractmethod

from lth_bench.lottery.reachable import require_reachable
from lth_bench.lottery.runner import ExperimentRunner
from lth_bench.masks import count_at
from lth_bench.ticket import Ticket
from lth_bench.training.randomness import seeded
from lth_bench.training.state import Trained


class SearchedElsewhere(ExperimentRunner, ABC):
    """Rounds that are all search, and at each density one more training: the ticket's.

    The search trains a density's last round only where its mask is known only then (`dynamic`), or
    where the next density continues from it.
    """

    untrained: tuple[Ticket, int] | None = None
    """A density's last round as the search has it, where it is not trained yet, and its count."""

    def reach(self, density: float) -> None:
        """Run rounds until a mask is at the density, then train and report the ticket and its
        controls.
        """
        k = count_at(density, self.mask.total)
        require_reachable(self.strategy, density, self.mask.total)
        if not self.experiment.iterative:
            self.mask, self.behind, self.untrained = self.bench.dense_mask(), None, None
        elif self.untrained is not None:
            last, count = self.untrained
            with seeded("round", self.experiment.seed, last.round):
                self.advance(self.searched(last, count)[1])
            self.untrained = None
        found, behind = self.found(density, k)
        with seeded("round", self.experiment.seed, self.round):
            ticket, trained, note = self.final(found, behind, k)
        self.hooks.on_round(self.view(ticket), trained)
        self.report.ticket(ticket, trained, "none", ticket.ledger, note)
        for control in self.experiment.controls:
            self.run_control(control, ticket, trained)
        self.ledger.train.clear()  # no part of the search for the next density
        if behind is None:
            self.untrained = found, k
        else:
            self.advance(behind)

    def found(self, density: float, k: int) -> tuple[Ticket, Trained | None]:
        """Rounds until one has k weights; with its training, if that was needed to know them."""
        while True:
            with seeded("round", self.experiment.seed, self.round):
                ticket = self.selected(density, k)
                if self.at_target(ticket, k):
                    return ticket, None
                ticket, trained = self.searched(ticket, k)
            count = trained.mask.count
            if count <= k:
                return ticket, trained
            if count >= self.mask.count:
                raise self.no_progress(density, ticket.mask.count, trained, k)
            self.passed(ticket, trained)
            self.advance(trained)

    def at_target(self, ticket: Ticket, k: int) -> bool:
        """Whether this round's mask is the density's before it is trained."""
        return not self.dynamic and ticket.mask.count <= k

    def selected(self, density: float, k: int) -> Ticket:
        """A round of the search before its training: by default also before `rewind_point`, which
        is asked again for the ticket.
        """
        return self.masked(density, k)

    def searched(self, ticket: Ticket, k: int) -> tuple[Ticket, Trained]:
        """Its training, a part of the search; and the round as it was trained."""
        return self.rewound_and_trained(ticket, k)

    def rewound_and_trained(self, ticket: Ticket, k: int) -> tuple[Ticket, Trained]:
        """The rest of a round after `masked`."""
        ticket = self.rewound(ticket)
        return ticket, self.train_round(ticket, k)

    def passed(self, ticket: Ticket, trained: Trained) -> None:
        """Record a round above the density, and tell the observers of it."""
        self.hooks.on_round(self.view(ticket), trained)
        self.report.intermediate(ticket, trained, self.ledger)

    @abstractmethod
    def final(self, found: Ticket, behind: Trained | None, k: int) -> tuple[Ticket, Trained, str]:
        """The ticket and its training, which are reported, and what to note of them. `behind` is
        the search's own training of it, if there was one.
        """
