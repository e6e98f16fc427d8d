"""Hooks that check every call for what a strategy must not do."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, TypeVar

from torch import Tensor

from lth_bench.hookspecs import hookimpl
from lth_bench.lottery.defaults import Defaults
from lth_bench.masks import Mask
from lth_bench.plugins.dispatch import Hooks
from lth_bench.testing.bench import WatchedBench
from lth_bench.testing.contract import Fault
from lth_bench.testing.recording import Recording, ReportedTicket, Round
from lth_bench.ticket import DenseRun, Ticket
from lth_bench.ticket_view import TicketView
from lth_bench.training.input.resident import ResidentSplit
from lth_bench.training.state import RewindPoint, Trained

T = TypeVar("T")
LABEL = "strategy"


class Guard:
    """Controls access to the test split: open only while the default metrics are computed."""

    def __init__(self) -> None:
        self.open = False
        self.touched = 0


class GuardedSplit(ResidentSplit):
    """A split that counts accesses while it is closed."""

    def __init__(self, split: ResidentSplit, guard: Guard) -> None:
        object.__setattr__(self, "guard", guard)
        super().__init__(split.x, split.y)

    def __getattribute__(self, name: str) -> Any:
        if name in ("x", "y"):
            guard: Guard = object.__getattribute__(self, "guard")
            guard.touched += not guard.open
        return super().__getattribute__(name)


class WatchedDefaults(Defaults):
    """The default hooks; the test split is open while they score."""

    def __init__(self, test: ResidentSplit, guard: Guard) -> None:
        super().__init__(GuardedSplit(test, guard))
        self._guard = guard

    @hookimpl(trylast=True)
    def score(self, ticket: Ticket, trained: Trained) -> dict[str, float]:
        """The default metrics."""
        self._guard.open = True
        try:
            return super().score(ticket, trained)
        finally:
            self._guard.open = False


class WatchedDense(DenseRun):
    """The dense run, recorded as lent when it is first trained."""

    @property
    def trained(self) -> Trained:
        """The whole run."""
        fresh = self.asked is None
        trained = super().trained
        if fresh:
            assert isinstance(self._bench, WatchedBench)
            self._bench.ledger.lend("the dense run's values (ticket.dense)", trained.values)
        return trained


# error messages about it name the class that authors of strategies know, as in a run
WatchedDense.__name__ = WatchedDense.__qualname__ = DenseRun.__name__


class WatchedHooks(Hooks):
    """Calls a strategy's hooks, checks what was lent before and after, and records the round."""

    def __init__(
        self, strategy: object, bench: WatchedBench, test: ResidentSplit, recording: Recording
    ) -> None:
        self.guard = Guard()
        super().__init__(
            label=LABEL, strategy=strategy, defaults=WatchedDefaults(test, self.guard), observers={}
        )
        self.bench, self.recording = bench, recording
        self._seen = Mask({})

    def select_mask(self, ticket: Ticket) -> Mask:
        """The strategy's mask."""
        # a copy, so that the recording keeps what the strategy was given
        self._seen = Mask({n: t.clone() for n, t in ticket.mask.kept.items()})
        call = super().select_mask
        return self._watch("select_mask", ticket, lambda: call(ticket))

    def rewind_point(self, ticket: Ticket) -> RewindPoint:
        """The strategy's or the default rewind point."""
        call = super().rewind_point
        return self._watch("rewind_point", ticket, lambda: call(ticket))

    def train(self, ticket: Ticket) -> Trained:
        """The strategy's or the default training."""
        call = super().train
        return self._watch("train", ticket, lambda: call(ticket))

    def score(self, ticket: Ticket, trained: Trained) -> dict[str, float]:
        """All metrics."""
        call = super().score
        metrics = self._watch("score", ticket, lambda: call(ticket, trained), trained)
        self.recording.tickets.append(ReportedTicket(ticket.target, trained, metrics))
        return metrics

    def drop_strategy_metrics(self, error: Exception) -> None:
        """Missing metrics break the strategy's contract."""
        raise error

    def on_round(self, ticket: TicketView, trained: Trained) -> None:
        """Record a round accepted by the loop."""
        if ticket.start is None or ticket.control != "none":
            return  # the dense run's own ticket, or a control
        self.recording.rounds.append(
            Round(
                target=ticket.target,
                before=self._seen,
                selected=ticket.mask,
                start=ticket.start,
                trained=trained,
            )
        )

    def _watch(
        self, hook: str, ticket: Ticket, call: Callable[[], T], trained: Trained | None = None
    ) -> T:
        data = self.bench.data
        lent: list[tuple[str, Mapping[str, Tensor]]] = [
            ("ticket.mask", ticket.mask.items_by_key()),
            ("the training split", vars(data.train)),
            ("the validation split", vars(data.val)),
        ]
        if ticket.before is not None:
            lent.append(("ticket.trained", ticket.before.values))
        if ticket.start is not None:
            lent.append(("ticket.start", ticket.start.values))
        if trained is not None:
            lent.append(("the trained values given to score", trained.values))
        try:
            with self.bench.ledger.watching(*lent):
                return call()
        finally:
            # also after an error: changed inputs may be its cause
            self._look(hook)

    def _look(self, hook: str) -> None:
        changed = self.bench.ledger.changed()
        if self.guard.touched:
            raise Fault(
                "untouched_test_split", f"{hook} looked at the test split while it was closed"
            )
        if changed:
            raise Fault("inputs", f"{hook} changed {'; '.join(changed)}")
