"""lth-bench from Python."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from lth_bench.recorder import Summary


def run(
    suite: str | Path,
    results: str | Path | None = None,
    device: str = "auto",
    workers: int | None = None,
    seeds: str | Sequence[int] | None = None,
    strategies: Sequence[str] = (),
    models: Sequence[str] = (),
    datasets: Sequence[str] = (),
    overrides: Sequence[str] = (),
    plugins: Sequence[str | Path] = (),
    add: Sequence[str] = (),
    no_plugins: bool = False,
    smoke: bool = False,
    width: int | str | None = None,
    timeout: float | str | None = None,
    retry: str | Sequence[str] = (),
    rerun: bool = False,
    exit_first: bool = False,
) -> Summary:
    """Run a suite, as `lth-bench run` does; the arguments are its options.

    `suite` is a path or a shipped suite's name; `overrides` are texts as after `--set`. Results
    go to `results` (default `reports/results.duckdb`, or LTH_BENCH_RESULTS). `width` is how many
    trainings are stacked into one computation (a power of two; "auto": what is fastest here), by
    default LTH_BENCH_WIDTH or "auto". `timeout` is in seconds, or a text such as "10m"; `retry`
    names outcomes to try again ("failed", "oom", "timeout", "diverged", "all"). Raises UserError
    before anything trains where something is wrong. Workers are spawned processes: in a script,
    call this below `if __name__ == "__main__":`.
    """
    import math
    import os

    from lth_bench.cli.durations import read_duration
    from lth_bench.cli.width import read_width
    from lth_bench.outcomes import read_retry
    from lth_bench.prepare import Wish, prepare
    from lth_bench.report.progress import make_progress
    from lth_bench.runner import Settings, require_writable, run_suite
    from lth_bench.store.paths import default_results

    stacked = read_width(str(os.environ.get("LTH_BENCH_WIDTH", "auto") if width is None else width))
    limit = math.inf if timeout is None else read_duration("timeout", str(timeout))
    again = read_retry([retry] if isinstance(retry, str) else retry)
    files = tuple(map(Path, plugins))
    wish = Wish(
        suite=suite,
        seeds=seeds,
        strategies=strategies,
        models=models,
        datasets=datasets,
        overrides=overrides,
        plugins=files,
        add=add,
        no_plugins=no_plugins,
        smoke=smoke,
        command=f"lth-bench run {suite}",
    )
    loaded, registry = prepare(wish)
    path = Path(results) if results is not None else default_results()
    require_writable(path)
    command = f"lth_bench.run({str(suite)!r})"
    settings = Settings(
        path,
        device,
        workers,
        files,
        not no_plugins,
        command,
        stacked,
        timeout=limit,
        retry=again,
        rerun=rerun,
        exit_first=exit_first,
    )
    return run_suite(loaded, registry, settings, make_progress())
