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
    workers: int | None = None,
    seeds: int | str | Sequence[int] | None = None,
    strategies: str | Sequence[str] = (),
    models: str | Sequence[str] = (),
    datasets: str | Sequence[str] = (),
    overrides: str | Sequence[str] = (),
    plugins: str | Path | Sequence[str | Path] = (),
    add: str | Sequence[str] = (),
    no_plugins: bool = False,
    smoke: bool = False,
    cohort_size: int | str | None = None,
    exact_cohort_size: bool = False,
    timeout: float | str | None = None,
    retry: str | Sequence[str] = (),
    rerun: bool = False,
    exit_first: bool = False,
) -> RunSummary:
    """Run a suite, as `lth-bench run` does; the arguments are its options.

    `suite` is a path or a shipped suite's name; `overrides` are texts as after `--set`. What takes
    several takes one by itself, too: `strategies="imp"`; `seeds=3` is three of them. Results go to
    `results` (default `reports/results.duckdb`, or LTH_BENCH_RESULTS). `cohort_size` is how many
    trainings are stacked into one computation (a power of two; "auto": what is fastest here), by
    default LTH_BENCH_COHORT_SIZE or "auto". `timeout` is in seconds, or a text such as "10m";
    `retry` names statuses to rerun ("failed", "oom", "timeout", "diverged", "all"). Raises
    UserError before anything trains where something is wrong. Workers are processes of their own
    and do not run the calling script again: it needs no `if __name__ == "__main__":`.
    """
    from lth_bench.output.progress import make_progress
    from lth_bench.running.request import RunRequest, prepare
    from lth_bench.running.runner import require_writable, run_suite

    request = RunRequest.from_arguments(
        suite=suite,
        results=results,
        device=device,
        workers=workers,
        seeds=seeds,
        strategies=strategies,
        models=models,
        datasets=datasets,
        overrides=overrides,
        plugins=plugins,
        add=add,
        no_plugins=no_plugins,
        smoke=smoke,
        cohort_size=cohort_size,
        exact_cohort_size=exact_cohort_size,
        timeout=timeout,
        retry=retry,
        rerun=rerun,
        exit_first=exit_first,
    )
    loaded, registry = prepare(request)
    require_writable(request.execution.results)
    return run_suite(loaded, registry, request, make_progress())
