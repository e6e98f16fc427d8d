"""lth-bench from Python."""

from __future__ import annotations

import shlex
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from lth_bench.running.recorder import Summary


def run(
    suite: str | Path,
    results: str | Path | None = None,
    device: str = "auto",
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
    timeout: float | str | None = None,
    retry: str | Sequence[str] = (),
    rerun: bool = False,
    exit_first: bool = False,
) -> Summary:
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
    import math
    import os

    from lth_bench.cli.cohort_size import read_cohort_size
    from lth_bench.cli.durations import read_duration
    from lth_bench.output.progress import make_progress
    from lth_bench.running import arguments as given
    from lth_bench.running.outcomes import read_retry
    from lth_bench.running.request import RunRequest, prepare
    from lth_bench.running.runner import Settings, require_writable, run_suite
    from lth_bench.store.paths import default_results

    given.path("suite", suite)
    if cohort_size is None:
        cohort_size = os.environ.get("LTH_BENCH_COHORT_SIZE", "auto")
    stacked = read_cohort_size(given.number_or_text("cohort_size", cohort_size))
    limit = math.inf
    if timeout is not None:
        limit = read_duration("timeout", given.number_or_text("timeout", timeout))
    again = read_retry(given.names("retry", retry))
    files = given.paths("plugins", plugins)
    external = not given.switch("no_plugins", no_plugins)
    request = RunRequest(
        suite=suite,
        seeds=given.seeds(seeds),
        strategies=given.names("strategies", strategies),
        models=given.names("models", models),
        datasets=given.names("datasets", datasets),
        overrides=given.names("overrides", overrides),
        plugins=files,
        add=given.names("add", add),
        no_plugins=not external,
        smoke=given.switch("smoke", smoke),
        command=shlex.join(["lth-bench", "run", str(suite)]),
    )
    loaded, registry = prepare(request)
    path = given.path("results", results) if results is not None else default_results()
    require_writable(path)
    command = f"lth_bench.run({str(suite)!r})"
    settings = Settings(
        path,
        given.text("device", device),
        given.count("workers", workers),
        files,
        external,
        command,
        stacked,
        timeout=limit,
        retry=again,
        rerun=given.switch("rerun", rerun),
        exit_first=given.switch("exit_first", exit_first),
    )
    return run_suite(loaded, registry, settings, make_progress())
