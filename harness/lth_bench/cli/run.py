"""`lth-bench run`: train what remains of a suite."""

from __future__ import annotations

from lth_bench.cli.options import (
    AddOption,
    AddressOption,
    CohortSizeOption,
    DatasetsOption,
    DeviceOption,
    ExactCohortSizeOption,
    ExecutorOption,
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
    ShardOption,
    SmokeOption,
    StrategiesOption,
    SuiteArgument,
    TimeoutOption,
    UntilDecidedOption,
    WorkersOption,
)


def run(
    suite: SuiteArgument,
    *,
    results: ResultsOption = None,
    device: DeviceOption = "auto",
    executor: ExecutorOption = "local",
    address: AddressOption = None,
    workers: WorkersOption = None,
    seeds: SeedsOption = None,
    until_decided: UntilDecidedOption = False,
    strategy: StrategiesOption = None,
    model: ModelsOption = None,
    dataset: DatasetsOption = None,
    set_: SetOption = None,
    plugin: PluginsOption = None,
    add: AddOption = None,
    no_plugins: NoPluginsOption = False,
    smoke: SmokeOption = False,
    shard: ShardOption = None,
    cohort_size: CohortSizeOption = "auto",
    exact_cohort_size: ExactCohortSizeOption = False,
    timeout: TimeoutOption = None,
    retry: RetryOption = None,
    rerun: RerunOption = False,
    exit_first: ExitFirstOption = False,
    json_: JsonOption = False,
) -> int:
    """Run a suite. Finished experiments are kept, the others are trained."""
    import json
    import sys

    from lth_bench.cli.conclusion import cards_of, conclude, report_study
    from lth_bench.output.progress import make_progress
    from lth_bench.running.request import RunRequest, prepare_run
    from lth_bench.running.runner import require_writable, run_suite
    from lth_bench.store.info import sharing
    from lth_bench.suite.source import studies
    from lth_bench.suite.tuned import seed_overlap_notes

    request = RunRequest.from_options(
        suite=suite,
        results=results,
        device=device,
        executor=executor,
        address=address,
        workers=workers,
        seeds=seeds,
        until_decided=until_decided,
        strategies=strategy,
        models=model,
        datasets=dataset,
        overrides=set_,
        plugins=plugin,
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
    path = request.execution.results
    loaded, registry = prepare_run(request)
    require_writable(path)
    for note in seed_overlap_notes(loaded):
        print(f"note: {note}", file=sys.stderr)
    summary = run_suite(loaded, registry, request, make_progress())
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
            "cards": cards_of(path, summary.suite),
        }
        print(json.dumps(document))
    else:
        conclude(summary, path, loaded.board)
        if suite in studies() and not summary.interrupted:
            report_study(path, summary.suite)
    return summary.exit_code
