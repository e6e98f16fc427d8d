"""The round loops of ablations: a search that sees or spends something else, then the ticket."""

from __future__ import annotations

import copy
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

import torch

from lth_bench.errors import Unreachable
from lth_bench.lottery.controls import Unchanged, reinitialised
from lth_bench.lottery.experiment import Experiment
from lth_bench.lottery.runner import Emit, ExperimentRunner, context_of
from lth_bench.lottery.searched import SearchedElsewhere
from lth_bench.masks import Mask
from lth_bench.plugins.dispatch import Hooks
from lth_bench.suite.ablations import FROM_SCRATCH, OF_DATA
from lth_bench.ticket import DenseRun, Ticket
from lth_bench.training.dispatch.variant import with_data, with_recipe, without_variants
from lth_bench.training.dispatch.workbench import Workbench
from lth_bench.training.pending_fit import PendingFit
from lth_bench.training.randomness import seed_of
from lth_bench.training.request import FitRequest
from lth_bench.training.state import Trained


class OnOtherData(SearchedElsewhere):
    """`select_mask` and the trainings that it searches by see ablated data."""

    def __init__(self, *, bench: Workbench, experiment: Experiment, **rest: Any) -> None:
        assert experiment.ablation is not None
        source = with_data(bench, experiment.ablation["name"])
        super().__init__(bench=source, experiment=experiment, **rest)
        self.report.bench = self.target = bench
        self.clean = DenseRun(
            bench,
            experiment.seed,
            self.ledger,
            checkpoints=frozenset(experiment.dense_checkpoints),
            context=self.context,
        )

    def at_target(self, ticket: Ticket, k: int) -> bool:
        """A dynamic method's mask ends at the density while the ticket trains, on the task."""
        return self.dynamic or super().at_target(ticket, k)

    def final(self, found: Ticket, behind: Trained | None, k: int) -> tuple[Ticket, Trained, str]:
        """The mask on the task itself. Unreachable if the search has seen no data."""
        ledger = self.ledger
        if not (ledger.search or ledger.train or ledger.batches):
            raise Unreachable("select_mask sees no data, so other data change nothing")
        ticket = replace(found, bench=self.target, dense=self.clean)
        return *self.rewound_and_trained(ticket, k), ""


class FromScratch(SearchedElsewhere):
    """The final mask, trained from new initial values."""

    def final(self, found: Ticket, behind: Trained | None, k: int) -> tuple[Ticket, Trained, str]:
        """As long as the task's recipe, or for as many FLOPs as the dense run. Unreachable if the
        initial values are fixed.
        """
        assert self.experiment.ablation is not None
        mask = found.mask if behind is None else behind.mask
        self.ledger.retire()
        try:
            fresh = reinitialised(found, mask)
        except Unchanged as reason:
            raise Unreachable(str(reason)) from reason
        ticket = found.after_selection(mask).after_rewinding(fresh.start)
        steps, recipe = self.bench.total_steps, self.bench.recipe
        if self.experiment.ablation["name"] == "scratch_b":
            longer = scratch_steps(steps, *self.flops(mask))
            recipe = recipe.stretched(longer / steps, len(self.bench.data.train))
            steps = longer
        self.ledger.role = "train"
        return ticket, ticket.fit(recipe=recipe, end=steps), fresh.note

    def flops(self, mask: Mask) -> tuple[float, float]:
        """Of one example's training step: dense, and under the mask."""
        kept = mask.used().kept_per_layer()
        density = {x.name: kept[x.name] / x.numel for x in self.bench.layers}
        counted = self.bench.network.flops
        return counted.step, counted.masked_step(density)


class Inverted(ExperimentRunner):
    """The method itself, whose scores the worker has inverted; skipped if it has none."""

    def reach(self, density: float) -> None:
        """Unreachable for a strategy without `scores`."""
        if not has_scores(self.strategy):
            raise Unreachable("the strategy ranks weights by no method `scores`: nothing to invert")
        super().reach(density)


class SecondTraining(Unreachable):
    """A method at equal cost asks for (a part of) the dense run."""

    def __init__(self, whole: bool) -> None:
        super().__init__(
            "equal_cost gives a method another one's budget for its ticket, or half of it if it "
            "first asks for the whole dense run to choose its mask, but this one asks for a part "
            "of the dense run, or after a search"
        )
        self.whole = whole


class RefusedDenseRun(DenseRun):
    """Says that it was asked for, and trains nothing."""

    def _fit(self, request: FitRequest) -> Trained:
        raise SecondTraining(request.end == self._bench.total_steps)


class AtEqualCost(ExperimentRunner):
    """The method itself, on the task with a recipe so long that it costs as much as another method
    in all.

    That is its only training, the dense network's too. One that chooses its mask by the dense run
    has half of the budget for that and half for its ticket, as by its own recipe.
    """

    def __init__(
        self, *, bench: Workbench, experiment: Experiment, strategy: Any, **rest: Any
    ) -> None:
        assert experiment.ablation is not None
        self.budget = experiment.ablation["steps"]
        if not getattr(strategy, "dense_only", False):
            rest["dense_run"] = RefusedDenseRun
        longer = with_length(bench, self.budget)
        super().__init__(bench=longer, experiment=experiment, strategy=strategy, **rest)

    def reach(self, density: float) -> None:
        """Again with half of the length, where the method turns out to need the dense run."""
        try:
            super().reach(density)
        except SecondTraining as asked:
            if not asked.whole or self.ledger.search or self.ledger.train:
                raise
            self.bench = self.report.bench = with_length(
                without_variants(self.bench), self.budget / 2
            )
            self.dense = DenseRun(
                self.bench, self.experiment.seed, self.ledger, context=self.context
            )
            super().reach(density)


def with_length(bench: Workbench, steps: float) -> Workbench:
    """The task with its recipe stretched to so many steps."""
    return with_recipe(
        bench, bench.recipe.stretched(steps / bench.total_steps, len(bench.data.train))
    )


class InAnotherOrder(ExperimentRunner):
    """The whole experiment, the dense run included, with the data in another order."""

    def __init__(self, *, experiment: Experiment, **rest: Any) -> None:
        order = seed_of("other_order", experiment.seed)
        super().__init__(experiment=experiment, order=order, **rest)


def runner_of(experiment: Experiment) -> type[ExperimentRunner]:
    """The round loop of an experiment, by its ablation."""
    name = experiment.ablation["name"] if experiment.ablation is not None else ""
    if name in OF_DATA:
        return OnOtherData
    if name in FROM_SCRATCH:
        return FromScratch
    if name == "inverted_score":
        return Inverted
    if name == "other_order":
        return InAnotherOrder
    return AtEqualCost if name == "equal_cost" else ExperimentRunner


def run_experiment(
    experiment: Experiment,
    strategy: Any,
    bench: Workbench,
    hooks: Hooks,
    emit: Emit,
    *,
    wait: Callable[[PendingFit], None] | None = None,
) -> None:
    """Run one experiment. Every finished round is passed to `emit` as a journal record. `wait`
    blocks until a fit is done, if other experiments run in parallel.
    """
    context = context_of(experiment, wait)
    runner = runner_of(experiment)(
        experiment=experiment,
        strategy=strategy,
        bench=bench,
        hooks=hooks,
        emit=emit,
        context=context,
    )
    runner.run()


def has_scores(strategy: Any) -> bool:
    """Whether a strategy, or its class, says by which scores it ranks weights."""
    return callable(getattr(strategy, "scores", None))


def as_ablated(strategy: Any, ablation: Mapping[str, Any] | None) -> Any:
    """The strategy that an experiment runs: its scores inverted, where that is its ablation."""
    asked = ablation is not None and ablation["name"] == "inverted_score"
    return inverted(strategy) if asked and has_scores(strategy) else strategy


def inverted(strategy: Any) -> Any:
    """The strategy with the sign of its `scores` changed: what it would keep first goes first."""
    cls = type(strategy)

    def scores(self: Any, *arguments: Any, **named: Any) -> Any:
        return negative(cls.scores(self, *arguments, **named))

    turned = type(cls.__name__, (cls,), {"scores": scores, "__module__": cls.__module__})
    twin = copy.copy(strategy)
    object.__setattr__(twin, "__class__", turned)  # past the frozen dataclass
    return twin


def negative(scores: Any) -> Any:
    """The scores of weights, or a list of those of units by group, with the other sign. Infinite
    ones of units, which exclude them, stay.
    """
    if isinstance(scores, list):
        return [torch.where(group.isinf(), group, -group) for group in scores]
    return -scores


def scratch_steps(steps: int, flops_dense: float, flops_pruned: float) -> int:
    """Scratch-B: steps after which the pruned network has cost as many FLOPs as the dense one in
    `steps`, rounded down as in the authors' code.
    """
    return int(steps * flops_dense / flops_pruned)
