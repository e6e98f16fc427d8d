"""lth-bench from Python."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from lth_bench.runner import Summary


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
    smoke: bool = False,
) -> Summary:
    """Run a suite, as `lth-bench run` does; the arguments are its options.

    `suite` is a path or a shipped suite's name; `overrides` are texts as after `--set`. Results
    go to `results` (default `reports/results.duckdb`, or LTH_BENCH_RESULTS). Raises UserError
    before anything trains where something is wrong. Workers are spawned processes: in a script,
    call this below `if __name__ == "__main__":`.
    """
    from lth_bench.plugins import load_registry
    from lth_bench.report.progress import make_progress
    from lth_bench.runner import Settings, require_writable, run_suite
    from lth_bench.store.paths import default_results
    from lth_bench.suite.consent import require_plugins
    from lth_bench.suite.load import load_suite
    from lth_bench.suite.smoke import smoke as shorten

    loaded = load_suite(suite, overrides, seeds, strategies, models, datasets)
    files = [Path(p) for p in plugins]
    require_plugins(loaded, files, f"lth-bench run {suite}")
    if smoke:
        loaded = shorten(loaded)
    path = Path(results) if results is not None else default_results()
    require_writable(path)
    settings = Settings(path, device, workers, tuple(files), True, f"lth_bench.run({str(suite)!r})")
    return run_suite(loaded, load_registry(files), settings, make_progress())
