"""The round loop: select a mask, rewind, train, until each density is reached."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from functools import partial
from typing import Any

from lth_bench.errors import Unreachable, error_text
from lth_bench.lottery.checks import check_mask, check_start, check_trained, check_untouched
from lth_bench.lottery.controls import CONTROLS, Unchanged
from lth_bench.lottery.experiment import Experiment
from lth_bench.lottery.reachable import require_reachable
from lth_bench.lottery.record import Reporter
from lth_bench.masks import Mask, count_at
from lth_bench.plugins.contract import hooks_of, trains_dense
from lth_bench.plugins.dispatch import Hooks, StrategyError
from lth_bench.ticket import CostLedger, DenseRun, Role, Ticket
from lth_bench.ticket_view import TicketView, Training
from lth_bench.training.dispatch.workbench import Workbench
from lth_bench.training.pending_fit import FitContext, PendingFit
from lth_bench.training.randomness import seeded
from lth_bench.training.state import CurvePoint, Trained

Emit = Callable[[dict[str, Any]], None]


def context_of(
    experiment: Experiment, wait: Callable[[PendingFit], None] | None = None
) -> FitContext:
    """The context of an experiment's fits. `wait` blocks until a fit is done, if other experiments
    run in parallel. Without it, a training that is found costs nothing, whichever experiment
    trained it.
    """
    return FitContext(
        experiment_id=experiment.experiment_id if wait is not None else "",
        wait=wait,
        identity={
            "strategy": experiment.strategy,
            "source": experiment.source_hash,
            "params": dict(experiment.params),
            **({"ablation": dict(experiment.ablation)} if experiment.ablation else {}),
        },
        common_starts=frozenset(experiment.dense_checkpoints),
    )


class ExperimentRunner:
    """One experiment in progress."""

    def __init__(
        self,
        *,
        experiment: Experiment,
        strategy: Any,
        bench: Workbench,
        hooks: Hooks,
        emit: Emit,
        context: FitContext,
        dense_run: type[DenseRun] = DenseRun,
        order: int | None = None,
    ) -> None:
        """`order` is that of the data in all trainings and batches, by default the seed's."""
        self.experiment, self.strategy, self.bench, self.hooks = experiment, strategy, bench, hooks
        self.dynamic = bool(getattr(strategy, "dynamic", False))
        self.structured = bool(getattr(strategy, "structured", False))
        self.context, self.ledger, self.order = context, CostLedger(), order
        self.dense = dense_run(
            bench,
            experiment.seed,
            self.ledger,
            checkpoints=frozenset(experiment.dense_checkpoints),
            context=context,
            on_eval=self.tell_dense if hooks.implements_hook("on_eval") else None,
            order=order,
        )
        self.report = Reporter(
            experiment=experiment, bench=bench, hooks=hooks, emit=emit, structured=self.structured
        )
        self.mask: Mask = bench.dense_mask()
        self.behind: Trained | None = None
        self.round = 0

    def run(self) -> None:
        """Run every density of the experiment, from dense to sparse."""
        for density in self.experiment.densities:
            if density == 1.0 and not trains_dense(type(self.strategy)):
                self.report_dense()
                continue
            try:
                self.reach(density)
            except Unreachable as reason:
                for control in ("none", *self.experiment.controls):
                    self.report.skipped(density, self.round, control, error_text(reason))

    def report_dense(self) -> None:
        """Report the dense run, at density 1.0 and without a round."""
        self.ledger.role = "train"
        ticket = self.ticket(1.0)
        trained = self.dense.trained
        self.hooks.on_round(self.view(ticket), trained)
        self.report.ticket(ticket, trained, "none", self.ledger)
        self.ledger.retire()

    def reach(self, density: float) -> None:
        """Run rounds until the trained mask is at the density, then report the ticket and its
        controls.
        """
        k = count_at(density, self.mask.total)
        require_reachable(self.strategy, density, self.mask.total)
        if not self.experiment.iterative:
            self.mask, self.behind = self.bench.dense_mask(), None
        while True:
            # torch's global generators are seeded by seed and round, too
            with seeded("round", self.experiment.seed, self.round):
                ticket, trained = self.run_round(density, k)
            count = trained.mask.count
            self.hooks.on_round(self.view(ticket), trained)
            if count <= k:
                break
            if count >= self.mask.count:
                raise self.no_progress(density, ticket.mask.count, trained, k)
            self.report.intermediate(ticket, trained, self.ledger)
            self.advance(trained)
        self.report.ticket(ticket, trained, "none", self.ledger)
        for control in self.experiment.controls:
            self.run_control(control, ticket, trained)
        self.advance(trained)

    def no_progress(self, density: float, selected: int, trained: Trained, k: int) -> StrategyError:
        """The error for a round that removed no weights; names the hook that should have removed
        some.
        """
        before, after = self.mask.count, trained.mask.count
        hook, ended = "select_mask", f" and {after} after it, while density {density:g} is {k}"
        if self.dynamic and "train" in hooks_of(type(self.strategy)):
            hook = "train"
            ended = (
                f", {selected} selected, and train ended at step {trained.step} with {after}, "
                f"while density {density:g} is {k}; make the last change of the mask keep the "
                f"target's count (ticket.target_count), in the last call of on_step at the "
                f"latest: view.step + every >= view.end"
            )
        return StrategyError(
            self.experiment.label,
            hook,
            f"no progress: {before} weights before the round{ended}",
            contract="exact_density",
        )

    def run_round(self, density: float, k: int) -> tuple[Ticket, Trained]:
        """One pass of select_mask, rewind_point and train, checking each return value."""
        ticket = self.select(density, k)
        return ticket, self.train_round(ticket, k)

    def select(self, density: float, k: int) -> Ticket:
        """select_mask and rewind_point: the round's ticket, untrained."""
        return self.rewound(self.masked(density, k))

    def masked(self, density: float, k: int) -> Ticket:
        """The round's ticket with the mask of select_mask, checked."""
        label = self.experiment.label
        self.ledger.role = "search"
        ticket = self.ticket(density)
        mask = self.hooks.select_mask(ticket)
        mask = check_mask(
            label, mask, ticket, k=k, dynamic=self.dynamic, structured=self.structured
        )
        behind = self.behind if self.behind is not None else ticket.dense.asked
        pruned = None if behind is None or self.dynamic else behind.values
        return replace(ticket.after_selection(mask), pruned=pruned)

    def rewound(self, ticket: Ticket) -> Ticket:
        """The ticket at the start of rewind_point, checked."""
        label, selected = self.experiment.label, ticket.mask.copy()
        point = self.hooks.rewind_point(ticket)
        check_untouched(label, "rewind_point", ticket, selected)
        return ticket.after_rewinding(check_start(label, point, ticket.bench))

    def train_round(self, ticket: Ticket, k: int, role: Role = "train") -> Trained:
        """The ticket's training by the strategy's `train`, charged as `role`."""
        label, selected = self.experiment.label, ticket.mask.copy()
        self.ledger.role = role
        trained = self.hooks.train(ticket)
        self.ledger.role = "search"
        check_untouched(label, "train", ticket, selected)
        return check_trained(
            label, trained, ticket, k=k, dynamic=self.dynamic, structured=self.structured
        )

    def run_control(self, control: str, ticket: Ticket, trained: Trained) -> None:
        """Train and report the ticket with one component ablated; if that would change nothing,
        record the control as skipped, with the reason.
        """
        try:
            ablated = CONTROLS[control](ticket, trained, self.structured)
        except Unchanged as reason:
            self.report.skipped(ticket.target, ticket.round, control, error_text(reason))
            return
        twin = self.control_ticket(control, ticket, ablated.mask).after_rewinding(ablated.start)
        # fine-tuning begins at the end of the schedule: the control has as many steps beyond it
        end = trained.step if ablated.start.step >= ticket.total_steps else None
        if ablated.order is not None:
            twin = replace(twin, copy=self.plain_copy(twin, trained, end))
        outcome = twin.fit(end=end, order=ablated.order)
        self.hooks.on_round(self.view(twin, control), outcome)
        self.report.ticket(twin, outcome, control, twin.ledger, ablated.note)

    def plain_copy(self, twin: Ticket, trained: Trained, end: int | None) -> Trained:
        """The control's training in the ticket's own order. It costs the control something only
        where it is not the ticket's own training.
        """
        own = replace(twin, ledger=CostLedger(role="train"))
        found = own.fit(end=end)
        if found.key != trained.key:
            twin.ledger.train.extend(own.ledger.train)
        return found

    def ticket(self, density: float) -> Ticket:
        """The round's ticket as given to `select_mask`."""
        self.opened = Ticket(
            bench=self.bench,
            seed=self.experiment.seed,
            target=density,
            round=self.round,
            mask=self.mask,
            dense=self.dense,
            ledger=self.ledger,
            context=self.context,
            before=self.behind,
            on_eval=self.tell if self.hooks.implements_hook("on_eval") else None,
            order=self.order,
        )
        return self.opened

    def control_ticket(self, control: str, ticket: Ticket, mask: Mask) -> Ticket:
        """A control's ticket, whose fits are charged to the control."""
        return replace(
            ticket,
            mask=mask,
            ledger=CostLedger(role="train"),
            pruned=None,
            matrices={},  # they picture the search, which a control has none of
            on_eval=partial(self.tell, control=control) if ticket.on_eval is not None else None,
        )

    def tell(self, ticket: Ticket, point: CurvePoint, control: str = "none") -> None:
        """Tell the observers of an evaluation in one of a ticket's trainings."""
        self.hooks.on_eval(self.view(ticket, control, ticket.ledger.role), point)

    def tell_dense(self, point: CurvePoint) -> None:
        """Tell the observers of an evaluation of the dense run, which the round's ticket is
        waiting for.
        """
        self.hooks.on_eval(self.view(self.opened, training="dense"), point)

    def view(
        self, ticket: Ticket, control: str = "none", training: Training = "train"
    ) -> TicketView:
        """The ticket as observers see it."""
        return TicketView(ticket, self.experiment, control, training)

    def advance(self, trained: Trained) -> None:
        """The next round continues from this one; its training becomes part of the search."""
        self.mask, self.behind = trained.mask, trained
        self.round += 1
        self.ledger.retire()
