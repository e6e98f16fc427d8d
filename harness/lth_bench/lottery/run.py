"""Runs one experiment: a strategy, or an ablation of one, by its round loop."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from lth_bench.lottery.ablated_runner import AtEqualCost, FromScratch, Inverted, OnOtherData
from lth_bench.lottery.experiment import Experiment
from lth_bench.lottery.runner import Emit, ExperimentRunner, context_of
from lth_bench.plugins.dispatch import Hooks
from lth_bench.suite.ablations import FROM_SCRATCH, OF_DATA
from lth_bench.training.dispatch.workbench import Workbench
from lth_bench.training.pending_fit import PendingFit


def runner_of(experiment: Experiment) -> type[ExperimentRunner]:
    """The round loop of an experiment, by its ablation."""
    name = experiment.ablation["name"] if experiment.ablation is not None else ""
    if name in OF_DATA:
        return OnOtherData
    if name in FROM_SCRATCH:
        return FromScratch
    if name == "inverted_score":
        return Inverted
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
