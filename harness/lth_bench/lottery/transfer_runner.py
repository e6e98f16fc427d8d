"""The round loop of a ticket that is found on one task and trained on another."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from lth_bench.lottery.checks import check_trained, check_untouched
from lth_bench.lottery.experiment import Experiment
from lth_bench.lottery.reachable import require_reachable
from lth_bench.lottery.record import Reporter
from lth_bench.lottery.runner import Emit, ExperimentRunner, context_of
from lth_bench.lottery.transfer import Transfer
from lth_bench.masks import count_at
from lth_bench.plugins.dispatch import Hooks
from lth_bench.ticket import CostLedger, DenseRun, Ticket
from lth_bench.training.dispatch.workbench import Workbench
from lth_bench.training.pending_fit import FitContext, PendingFit
from lth_bench.training.randomness import seeded
from lth_bench.training.state import Trained


class TransferRunner(ExperimentRunner):
    """`select_mask` and `rewind_point` see the source task; `train`, `score` and the controls the
    target.

    All trainings on the source are search. The ticket itself is trained there only where the next
    density continues from it, or where its mask is known only then (`dynamic`): then the final mask
    is trained plainly on the target, as a control is. Rounds on the source have no records of their
    own, and observers do not hear of them.
    """

    def __init__(
        self,
        *,
        experiment: Experiment,
        strategy: Any,
        source: Workbench,
        target: Workbench,
        hooks: Hooks,
        emit: Emit,
        context: FitContext,
    ) -> None:
        super().__init__(
            experiment=experiment, strategy=strategy, bench=source, hooks=hooks, emit=emit,
            context=context,
        )  # fmt: skip
        assert experiment.source_task is not None
        self.target = target
        self.transfer = Transfer(source, target, experiment.source_task.classifier)
        self.report = Reporter(
            experiment=experiment, bench=target, hooks=hooks, emit=emit, structured=self.structured
        )
        self.dense = DenseRun(
            source,
            experiment.seed,
            self.ledger,
            checkpoints=frozenset(experiment.dense_checkpoints),
            context=context,
        )
        self.untrained: tuple[Ticket, int] | None = None
        """A ticket not trained on the source yet, and its count."""

    def reach(self, density: float) -> None:
        """Find the ticket on the source; train and report it and its controls on the target."""
        k = count_at(density, self.mask.total)
        require_reachable(self.strategy, density, self.mask.total)
        if not self.experiment.iterative:
            self.mask, self.behind, self.untrained = self.bench.dense_mask(), None, None
        elif self.untrained is not None:
            self.advance(self.trained_on_source(*self.untrained))
            self.untrained = None
        ticket, trained = self.found(density, k)
        on_target, note = self.on_target(ticket, trained)
        outcome = self.trained_on_target(on_target)
        self.hooks.on_round(self.view(on_target), outcome)
        self.report.ticket(on_target, outcome, "none", on_target.ledger, note)
        for control in self.experiment.controls:
            self.run_control(control, on_target, outcome)
        if trained is None:
            self.untrained = ticket, k
        else:
            self.advance(trained)

    def found(self, density: float, k: int) -> tuple[Ticket, Trained | None]:
        """Rounds on the source until a ticket has k weights; with its training there, if it was
        needed.
        """
        while True:
            with seeded("round", self.experiment.seed, self.round):
                ticket = self.select(density, k)
                if not self.dynamic and ticket.mask.count <= k:
                    return ticket, None
            trained = self.trained_on_source(ticket, k)
            count = trained.mask.count
            if count <= k:
                return ticket, trained
            if count >= self.mask.count:
                raise self.no_progress(density, ticket.mask.count, trained, k)
            self.advance(trained)

    def trained_on_source(self, ticket: Ticket, k: int) -> Trained:
        """The round's training on the source, which is part of the search."""
        with seeded("round", self.experiment.seed, ticket.round, "train"):
            return self.train_round(ticket, k, role="search")

    def on_target(self, ticket: Ticket, trained: Trained | None) -> tuple[Ticket, str]:
        """The ticket on the target's network, and what its row must say."""
        assert ticket.start is not None
        mask = ticket.mask if trained is None else trained.mask
        fitted = self.transfer.fit(mask, ticket.start, ticket.target, ticket.seed)
        # what the target trains is no part of the search for the next density
        ledger = CostLedger(search=self.ledger.search, role="train")
        self.opened = Ticket(
            bench=self.target,
            seed=ticket.seed,
            target=ticket.target,
            round=ticket.round,
            mask=fitted.mask,
            dense=DenseRun(self.target, ticket.seed, ledger, context=self.context),
            ledger=ledger,
            context=self.context,
            start=fitted.start,
            memo=ticket.memo,
            on_eval=self.tell if self.hooks.implements_hook("on_eval") else None,
            matrices=ticket.matrices,
        )
        return self.opened, fitted.note

    def trained_on_target(self, ticket: Ticket) -> Trained:
        """By the strategy's own `train`, unless that changes the mask."""
        if self.dynamic:
            return ticket.fit()
        label, selected = self.experiment.label, ticket.mask.copy()
        with seeded("round", self.experiment.seed, ticket.round, "target"):
            trained = self.hooks.train(ticket)
        check_untouched(label, "train", ticket, selected)
        return check_trained(
            label, trained, ticket, k=selected.count, dynamic=False, structured=self.structured
        )


def run_transfer(
    experiment: Experiment,
    strategy: Any,
    *,
    source: Workbench,
    target: Workbench,
    hooks: Hooks,
    emit: Emit,
    wait: Callable[[PendingFit], None] | None = None,
) -> None:
    """Run one experiment whose tickets are found on `source` and trained on `target`. Every result
    is passed to `emit` as a journal record.
    """
    runner = TransferRunner(
        experiment=experiment,
        strategy=strategy,
        source=source,
        target=target,
        hooks=hooks,
        emit=emit,
        context=context_of(experiment, wait),
    )
    runner.run()
