"""`lth-bench run`: train what is left of a suite."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from lth_bench.cli.options import (
    AddOption,
    CohortSizeOption,
    DatasetsOption,
    ExactCohortSizeOption,
    ExitFirstOption,
    JsonOption,
    ModelsOption,
    NoPluginsOption,
    PluginsOption,
    RerunOption,
    ResultsOption,
    RetryOption,
    SeedsOption,
    SetOption,
    SmokeOption,
    StrategiesOption,
    SuiteArgument,
    TimeoutOption,
)


def run(
    suite: SuiteArgument,
    results: ResultsOption = None,
    device: Annotated[
        str, typer.Option("--device", help="auto, cpu, cuda, cuda:1, …", metavar="D")
    ] = "auto",
    executor: Annotated[str, typer.Option("--executor", help="local", metavar="NAME")] = "local",
    workers: Annotated[
        int | None,
        typer.Option("--workers", help="Worker processes (one a GPU, or one a core).", metavar="N"),
    ] = None,
    seeds: SeedsOption = None,
    strategy: StrategiesOption = None,
    model: ModelsOption = None,
    dataset: DatasetsOption = None,
    set_: SetOption = None,
    plugin: PluginsOption = None,
    add: AddOption = None,
    no_plugins: NoPluginsOption = False,
    smoke: SmokeOption = False,
    cohort_size: CohortSizeOption = "auto",
    exact_cohort_size: ExactCohortSizeOption = False,
    timeout: TimeoutOption = None,
    retry: RetryOption = None,
    rerun: RerunOption = False,
    exit_first: ExitFirstOption = False,
    json_: JsonOption = False,
) -> int:
    """Run a suite: what has ended already is kept, everything else is trained."""
    import json
    import math
    import shlex
    import sys

    from lth_bench.cli.cohort_size import read_cohort_size
    from lth_bench.cli.conclusion import conclude, sharing
    from lth_bench.cli.durations import read_duration
    from lth_bench.cli.load import load
    from lth_bench.errors import UserError
    from lth_bench.output.progress import make_progress
    from lth_bench.running.outcomes import read_retry
    from lth_bench.running.runner import Settings, require_writable, run_suite
    from lth_bench.store.paths import default_results
    from lth_bench.suite.tuned import seen_seeds

    if executor != "local":
        raise UserError(f"unknown executor {executor!r}; choose from: local")
    stacked = read_cohort_size(cohort_size)
    limit = math.inf if timeout is None else read_duration("--timeout", timeout)
    again = read_retry(retry or ())
    path: Path = results or default_results()
    command = shlex.join(["lth-bench", *sys.argv[1:]])
    filters = (seeds, strategy, model, dataset)
    loaded, registry = load(suite, *filters, set_, plugin, smoke, command, add, no_plugins)
    require_writable(path)
    settings = Settings(
        path,
        device,
        workers,
        tuple(plugin or ()),
        not no_plugins,
        command,
        stacked,
        exact_cohort_size,
        limit,
        again,
        rerun,
        exit_first,
    )
    for note in seen_seeds(loaded):
        print(f"note: {note}", file=sys.stderr)
    summary = run_suite(loaded, registry, settings, make_progress())
    if json_:
        document = {
            "run_id": summary.run_id,
            "suite": summary.suite,
            "planned": summary.planned,
            "reused": summary.reused,
            "statuses": dict(summary.statuses),
            "stopped_at": summary.stopped_at,
            "seconds": summary.seconds,
            "notes": summary.notes,
            **(sharing(path, summary.suite) or {}),
            "results": str(path),
            "exit_code": summary.exit_code,
        }
        print(json.dumps(document))
    else:
        conclude(summary, path)
    return summary.exit_code
