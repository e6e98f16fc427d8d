"""The default hooks: rewind to initialisation, train, measure. A plugin like any other.

The only code that sees the test split.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

import torch
from torch import Tensor

from lth_bench.hookspecs import hookimpl
from lth_bench.lottery.instability import Evaluation, estimated, instability
from lth_bench.ticket import Ticket
from lth_bench.training.behaviour import evaluating
from lth_bench.training.engine.loss import Judged
from lth_bench.training.input.task_data import Examples
from lth_bench.training.state import RewindPoint, State, Trained

TRAIN_SAMPLE = 10_000
"""Maximum number of training examples for `train_accuracy` or the task's own metric; always the
same ones of a dataset."""


class Defaults:
    """The hooks that a strategy does not implement. Holds the task's test split, which tickets do
    not have. If there is none, as in tuning, tickets are scored on the validation split only.
    """

    def __init__(self, test: Examples | None) -> None:
        self._test = test
        self.right: dict[str, Tensor] = {}
        """Of the ticket that was scored last: which test examples are right, bool [N] in the test
        split's order, by the metric that is the fraction of them."""

    @hookimpl(trylast=True)
    def rewind_point(self, ticket: Ticket) -> RewindPoint:
        """The initial values, at step 0 (Frankle & Carbin, 2019)."""
        return RewindPoint.at(ticket.initial)

    @hookimpl(trylast=True)
    def train(self, ticket: Ticket) -> Trained:
        """Train by the task's recipe, from the rewind point to the end of the schedule."""
        return ticket.fit()

    @hookimpl(trylast=True)
    def score(self, ticket: Ticket, trained: Trained) -> dict[str, float]:
        """The objective's metrics, of which PRIMARY is the first: for cross-entropy `accuracy`, a
        fraction in [0, 1]. Losses are means over examples; cross-entropies are in nats.

        `test_*`, `val_PRIMARY` and `train_PRIMARY` are measured at the last step;
        `early_stop_PRIMARY` is the test metric at `early_stop_step`, the absolute step of the
        minimum validation loss. `train_PRIMARY` uses at most 10,000 training examples.
        `pruned_PRIMARY` is that of the mask before any rewinding, on the test split: on the trained
        values that it was chosen after, of the round before or of the dense run; methods that ask
        for neither have none, nor have controls, and masks that change in training. The control
        `reorder` has the barriers of `lottery/instability.py` too. Without a test split only
        `val_PRIMARY` and `early_stop_step` are returned.
        """
        primary = ticket.bench.objective.primary.name
        seen = {
            f"val_{primary}": trained.curve[-1].val_score,
            "early_stop_step": float(trained.early_stop_step),
        }
        self.right = {}
        if self._test is None:
            return seen
        last = early = self._evaluate(ticket, trained, self._test, "test")
        if trained.best.step != trained.step:  # otherwise it is the same state
            early = self._evaluate(ticket, trained.best, self._test, "test")
        sample = ticket.bench.data.sample(TRAIN_SAMPLE)
        train = self._evaluate(ticket, trained, sample, TRAIN_SAMPLE)
        self.right = {f"test_{name}": which for name, which in last.right.items()}
        if primary in early.right:
            self.right[f"early_stop_{primary}"] = early.right[primary]
        return {
            **self._before_rewinding(ticket, self._test),
            **self._instability(ticket, trained, self._test),
            **{f"test_{name}": value for name, value in last.metrics.items()},
            "test_loss": last.loss,
            f"train_{primary}": train.metrics[primary],
            **seen,
            f"early_stop_{primary}": early.metrics[primary],
        }

    def _before_rewinding(self, ticket: Ticket, test: Examples) -> dict[str, float]:
        """An evaluation, which costs no training; {} where nothing trained was pruned."""
        if ticket.pruned is None:
            return {}
        values = {key: value.detach().clone() for key, value in ticket.pruned.items()}
        ticket.mask.apply_(values)
        primary = ticket.bench.objective.primary.name
        judged = self._evaluate(ticket, State(values, 0, ticket.layers), test, "test")
        return {f"pruned_{primary}": judged.metrics[primary]}

    def _instability(self, ticket: Ticket, trained: Trained, test: Examples) -> dict[str, float]:
        """The barriers on the line to the ticket's copy in its own data order; {} without one."""
        if ticket.copy is None:
            return {}
        bench = ticket.bench
        sample = bench.data.sample(TRAIN_SAMPLE)

        def evaluate(values: Mapping[str, Tensor]) -> Evaluation:
            state = State(values, trained.step, ticket.layers)
            return Evaluation(
                self._evaluate(ticket, state, test, "test"),
                self._evaluate(ticket, state, sample, TRAIN_SAMPLE),
            )

        return instability(
            (ticket.copy.values, trained.values),
            evaluate,
            bench.objective.primary,
            estimated(bench.network, sample, bench.data),
            list(bench.network.parameters),
        )

    def predict(
        self, ticket: Ticket, trained: Trained, change: Callable[[Tensor], Tensor] | None
    ) -> tuple[Tensor, Tensor]:
        """The trained network's outputs and the targets on the split that results are reported on,
        for `TicketView.outputs`.
        """
        bench = ticket.bench
        split = self._test if self._test is not None else bench.data.val
        network, found = bench.network, []
        network.load(trained.values)
        size = network.evaluation_batch()
        with torch.no_grad(), evaluating(network.module):
            for i in range(0, len(split), size):
                x = split.x[i : i + size]
                x = x if change is None else change(x.clone())
                found.append(network.forward(bench.data.normalise(x), ticket.mask, None))
        return torch.cat(found), split.y.clone()

    @staticmethod
    def _evaluate(ticket: Ticket, state: State, split: Examples, name: str | int) -> Judged:
        bench = ticket.bench
        bench.network.load(state.values)
        return bench.network.evaluate(split, bench.data, ticket.mask, name=name)
