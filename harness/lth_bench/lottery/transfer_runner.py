"""The round loop of a ticket that is found on one task and trained on another."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from lth_bench.lottery.checks import check_trained, check_untouched
from lth_bench.lottery.experiment import Experiment
from lth_bench.lottery.record import Reporter
from lth_bench.lottery.runner import Emit, context_of
from lth_bench.lottery.searched import SearchedElsewhere
from lth_bench.lottery.transfer import Transfer
from lth_bench.plugins.dispatch import Hooks
from lth_bench.ticket import CostLedger, DenseRun, Ticket
from lth_bench.training.dispatch.workbench import Workbench
from lth_bench.training.pending_fit import FitContext, PendingFit
from lth_bench.training.randomness import seeded
from lth_bench.training.state import Trained


class TransferRunner(SearchedElsewhere):
    """`select_mask` and `rewind_point` see the source task; `train`, `score` and the controls the
    target.

    All trainings on the source are search. The final mask of a method that changes it while it
    trains (`dynamic`) is trained plainly on the target, as a control is. Rounds on the source have
    no records of their own, and observers do not hear of them.
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

    def selected(self, density: float, k: int) -> Ticket:
        """A round on the source, rewound there."""
        return self.select(density, k)

    def searched(self, ticket: Ticket, k: int) -> tuple[Ticket, Trained]:
        """Its training on the source."""
        with seeded("round", self.experiment.seed, ticket.round, "train"):
            return ticket, self.train_round(ticket, k, role="search")

    def passed(self, ticket: Ticket, trained: Trained) -> None:
        """Nothing: rounds on the source are those of the source's own experiments."""

    def final(self, found: Ticket, behind: Trained | None, k: int) -> tuple[Ticket, Trained, str]:
        """The ticket on the target, trained there."""
        ticket, note = self.on_target(found, behind)
        return ticket, self.trained_on_target(ticket), note

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
