"""Records one experiment on the tiny task, run by the real round loop."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from typing import Any

import torch

from lth_bench.errors import Diverged, UserError, describe_error
from lth_bench.lottery import Experiment
from lth_bench.lottery.runner import ExperimentRunner, context_of
from lth_bench.masks import Mask
from lth_bench.plugins.dispatch import StrategyError
from lth_bench.system.blame import ends_the_run
from lth_bench.testing import task
from lth_bench.testing.bench import WatchedBench
from lth_bench.testing.contract import Fault
from lth_bench.testing.networks import DEAD
from lth_bench.testing.recording import Recording
from lth_bench.testing.watch import LABEL, WatchedDense, WatchedHooks
from lth_bench.training.pending_fit import PendingFit
from lth_bench.training.request import FitRequest


def record(
    strategy: Any,
    bench: WatchedBench,
    *,
    densities: Sequence[float],
    seed: int = 0,
    owner: str = "",
    poisoned: bool = False,
    wait: Callable[[PendingFit], None] | None = None,
) -> Recording:
    """Run the experiment to its end or its first fault.

    A fault that belongs to no other contract, such as a hook that raises, is attributed to `owner`.
    With `poisoned` a different test split is used. `wait` blocks until a fit is done, if other
    experiments run beside it.
    """
    recording = Recording()
    bench.callbacks = recording.callbacks

    def emit(row: dict[str, Any]) -> None:
        if row["status"] == "skipped":
            recording.skipped[row["target_density"]] = str(row["reason"])

    try:
        hooks = _hooks(strategy, bench, poisoned, recording)
        experiment = _experiment(strategy, bench, densities, seed)
        # all seeds have the same experiment id here, so that none pays for another
        context = replace(context_of(experiment, wait), experiment_id="")
        runner = ExperimentRunner(
            experiment=experiment,
            strategy=strategy,
            bench=bench,
            hooks=hooks,
            emit=emit,
            context=context,
            dense_run=WatchedDense,
        )
        if bench.model.dead and runner.experiment.iterative:
            _start_dead(runner, bench, seed)
        runner.run()
    except Fault as fault:
        recording.fault = fault
    except StrategyError as error:
        recording.fault = Fault(error.contract or owner, str(error))
    except Diverged as error:
        recording.fault = Fault(owner, f"a training diverged: {error}")
    except BaseException as error:  # a strategy's methods may raise anything
        if ends_the_run(error):
            raise
        recording.fault = Fault(owner, describe_error(error))
    return recording


@contextmanager
def one_thread() -> Iterator[None]:
    """Single-threaded, so that sums do not depend on the number of cores."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(before)


def _hooks(
    strategy: Any, bench: WatchedBench, poisoned: bool, recording: Recording
) -> WatchedHooks:
    try:
        return WatchedHooks(strategy, bench, task.unseen(poisoned), recording)
    except (UserError, StrategyError) as error:
        raise Fault("hooks", str(error)) from error


def _experiment(
    strategy: Any, bench: WatchedBench, densities: Sequence[float], seed: int
) -> Experiment:
    announce = getattr(strategy, "dense_checkpoints", None)
    try:
        checkpoints = tuple(announce(bench.total_steps)) if announce is not None else ()
    except BaseException as error:  # a plugin's method may raise anything
        if ends_the_run(error):
            raise
        raise Fault("hooks", f"dense_checkpoints raised {describe_error(error)}") from error
    return Experiment(
        experiment_id="conformance",
        config_id="conformance",
        suite="conformance",
        label=LABEL,
        strategy=LABEL,
        params={},
        model={},
        model_label=bench.model.kind,
        dataset={},
        dataset_label="tiny",
        recipe_name="tiny",
        recipe={},
        seed=seed,
        densities=tuple(densities),
        controls=(),
        iterative=bool(getattr(strategy, "iterative", False)),
        source_hash="",
        plugin_version="",
        dense_checkpoints=checkpoints,
    )


def _start_dead(runner: ExperimentRunner, bench: WatchedBench, seed: int) -> None:
    """Give the first round a mask in which an earlier one pruned a layer completely."""
    kept = dict(bench.dense_mask().kept)
    kept[DEAD] = torch.zeros_like(kept[DEAD])
    mask = Mask(kept, layers=bench.layers)
    start = bench.initial(seed).values
    request = FitRequest(
        values=start, mask=mask, start=0, end=bench.total_steps, seed=seed, recipe=bench.recipe
    )
    runner.mask, runner.behind = mask, bench.fit(request, context=runner.context)
