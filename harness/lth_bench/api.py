"""lth-bench from Python."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from lth_bench.running.recorder import RunSummary


def run(
    suite: str | Path,
    results: str | Path | None = None,
    device: str = "auto",
    *,
    executor: str = "local",
    address: str | None = None,
    workers: int | None = None,
    seeds: int | str | Sequence[int] | None = None,
    until_decided: bool = False,
    strategies: str | Sequence[str] = (),
    models: str | Sequence[str] = (),
    datasets: str | Sequence[str] = (),
    overrides: str | Sequence[str] = (),
    plugins: str | Path | Sequence[str | Path] = (),
    add: str | Sequence[str] = (),
    no_plugins: bool = False,
    smoke: bool = False,
    shard: str | tuple[int, int] | None = None,
    cohort_size: int | str | None = None,
    exact_cohort_size: bool = False,
    timeout: float | str | None = None,
    retry: str | Sequence[str] = (),
    rerun: bool = False,
    exit_first: bool = False,
) -> RunSummary:
    """Run a suite, as `lth-bench run` does.

    Experiments that have finished are kept; the others are trained and recorded. Where an argument
    takes several values, it takes a single one too: `strategies="imp"`. Progress is drawn on
    standard error. Workers are processes of their own and do not run the calling script again, so
    it needs no `if __name__ == "__main__":`.

    Args:
        suite: Path of a suite (`.toml`), or the name of a shipped one.
        results: The DuckDB file; it is created where it does not exist. None: the variable
            `LTH_BENCH_RESULTS`, or `reports/results.duckdb`.
        device: `"auto"` (the GPUs, or the CPU where there are none), `"cpu"`, `"cuda"` (the GPUs
            of the first one's kind), or GPUs by number, `"cuda:0,cuda:1"`.
        executor: `"local"`, workers on this machine, or `"ray"`, on a cluster, which needs the
            extra `ray`.
        address: The Ray cluster, as `"HOST:PORT"`. None: the variable `RAY_ADDRESS`, or a cluster
            on this machine that ends with the run.
        workers: Worker processes, at least 1. None: one per GPU, or one per core.
        seeds: How many (`3` is seeds 0, 1 and 2), a list (`[0, 4, 7]`), or a string as after
            `--seeds`. None: the suite's own.
        until_decided: Add seeds only where a comparison with the baseline is open, by the suite's
            `decide` or its defaults.
        strategies: Only these, by label or name. Empty: all.
        models: Only these, by label or name. Empty: all.
        datasets: Only these, by label or name. Empty: all.
        overrides: Changes to the suite, as after `--set`: `"recipes.paper.lr=0.05"`.
        plugins: Files of one-file plugins (`.py`) to load.
        add: Strategies to add that the suite does not list, by name.
        no_plugins: Whether to ignore plugins that other packages install.
        smoke: Whether to train only a few steps of everything, to check that it runs.
        shard: Only a part, counted from 1, such as `"3/8"`; each may run on another machine, and
            `lth-bench merge` joins their results. None: all of it.
        cohort_size: Trainings stacked into one computation: a power of two from 1 to 256, or
            `"auto"`, which measures the fastest. None: the variable `LTH_BENCH_COHORT_SIZE`, or
            `"auto"`.
        exact_cohort_size: Whether to retrain what was trained at another cohort size; needs
            `cohort_size`.
        timeout: Seconds that an experiment may take, more than 0, or a string such as `"10m"`; time
            in which others run does not count. None: no limit.
        retry: Statuses to rerun: `"failed"`, `"oom"`, `"timeout"`, `"diverged"`, or `"all"` of
            them. Empty: those stay as they are.
        rerun: Whether to run everything again, trainings included.
        exit_first: Whether to stop at the first experiment that fails.

    Returns:
        How the run ended: how many experiments have each status, the seconds it took, notes, and
            the `exit_code` of the command. Failed experiments and Ctrl-C raise nothing; look at
            `statuses` and `interrupted`. `lth_bench.results` reads the results.

    Raises:
        UserError: Something is wrong with an argument, the suite, a plugin, a dataset or the place
            of the results; before anything trains. The message says what to do.
        NothingSelected: A UserError: the filters leave no experiment.
    """
    from lth_bench.output.progress import make_progress
    from lth_bench.running.request import RunRequest, prepare_run
    from lth_bench.running.runner import require_writable, run_suite

    request = RunRequest.from_arguments(
        suite=suite,
        results=results,
        device=device,
        executor=executor,
        address=address,
        workers=workers,
        seeds=seeds,
        until_decided=until_decided,
        strategies=strategies,
        models=models,
        datasets=datasets,
        overrides=overrides,
        plugins=plugins,
        add=add,
        no_plugins=no_plugins,
        smoke=smoke,
        shard=shard,
        cohort_size=cohort_size,
        exact_cohort_size=exact_cohort_size,
        timeout=timeout,
        retry=retry,
        rerun=rerun,
        exit_first=exit_first,
    )
    loaded, registry = prepare_run(request)
    require_writable(request.execution.results)
    return run_suite(loaded, registry, request, make_progress())
