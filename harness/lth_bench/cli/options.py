"""Options that several commands share."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from lth_bench.cli import complete

SuiteArgument = Annotated[
    str,
    typer.Argument(
        metavar="SUITE",
        help="Path of a suite (.toml), or a shipped suite's name.",
        autocompletion=complete.suite,
    ),
]
ResultsOption = Annotated[
    Path | None,
    typer.Option(
        "--results",
        metavar="PATH",
        help="DuckDB file; by default LTH_BENCH_RESULTS, or reports/results.duckdb.",
    ),
]
DeviceOption = Annotated[
    str,
    typer.Option("--device", help="Where to train: auto, cpu, cuda, cuda:1, …", metavar="D"),
]
ExecutorOption = Annotated[
    str,
    typer.Option(
        "--executor",
        metavar="NAME",
        help="Where workers run: local, on this machine, or ray, on a cluster.",
        autocompletion=complete.one_of("local", "ray"),
    ),
]
AddressOption = Annotated[
    str | None,
    typer.Option(
        "--address",
        metavar="HOST:PORT",
        help="Ray cluster to use; by default RAY_ADDRESS, or one that is started here.",
    ),
]
WorkersOption = Annotated[
    int | None,
    typer.Option(
        "--workers",
        help="Worker processes; by default one per GPU, or one per core.",
        metavar="N",
    ),
]
SeedsOption = Annotated[
    str | None,
    typer.Option("--seeds", metavar="N|LIST", help="How many seeds, such as 3, or a list: 0,4,7."),
]
StrategiesOption = Annotated[
    list[str] | None,
    typer.Option(
        "--strategy",
        "-s",
        metavar="NAME",
        help="Only this strategy, by label or name; repeatable.",
        autocompletion=complete.named("strategies"),
    ),
]
ModelsOption = Annotated[
    list[str] | None,
    typer.Option(
        "--model",
        "-m",
        metavar="NAME",
        help="Only this model; repeatable.",
        autocompletion=complete.named("models"),
    ),
]
DatasetsOption = Annotated[
    list[str] | None,
    typer.Option(
        "--dataset",
        "-d",
        metavar="NAME",
        help="Only this dataset; repeatable.",
        autocompletion=complete.named("datasets"),
    ),
]
SetOption = Annotated[
    list[str] | None,
    typer.Option(
        "--set",
        metavar="KEY=VALUE",
        help="Change a value of the suite, such as recipes.paper.lr=0.05; repeatable.",
    ),
]
ArtifactsOption = Annotated[
    list[Path] | None,
    typer.Option(
        "--artifacts",
        metavar="FOLDER",
        help="Another folder of kept trainings, such as other.artifacts; repeatable.",
    ),
]
PluginsOption = Annotated[
    list[Path] | None,
    typer.Option(
        "--plugin",
        metavar="FILE",
        help="Load a one-file plugin (.py), or reliability, which is shipped; repeatable.",
    ),
]
AddOption = Annotated[
    list[str] | None,
    typer.Option(
        "--add",
        metavar="NAME",
        help="Add this strategy to a suite that does not list it; repeatable.",
        autocompletion=complete.named("strategies"),
    ),
]
NoPluginsOption = Annotated[
    bool,
    typer.Option(
        "--no-plugins",
        envvar="LTH_BENCH_NO_PLUGINS",
        metavar="",
        help="Ignore plugins of other packages; those given with --plugin still load.",
    ),
]
SmokeOption = Annotated[
    bool,
    typer.Option(
        "--smoke", metavar="", help="Train a few steps of everything, to check that it runs."
    ),
]
UntilDecidedOption = Annotated[
    bool,
    typer.Option(
        "--until-decided",
        metavar="",
        help="Add seeds only where a comparison with the baseline is open: 3, 4, 5, 6, 8, … up to "
        "30, or --set suite.decide.max_seeds=N.",
    ),
]
ShardOption = Annotated[
    str | None,
    typer.Option(
        "--shard",
        metavar="I/N",
        help="Only part I of N, for jobs without a cluster; `lth-bench merge` joins their results.",
    ),
]
CohortSizeOption = Annotated[
    str,
    typer.Option(
        "--cohort-size",
        envvar="LTH_BENCH_COHORT_SIZE",
        metavar="auto|N",
        help="Trainings stacked into one computation: 1, 2, 4, …; auto measures the fastest size.",
    ),
]
ExactCohortSizeOption = Annotated[
    bool,
    typer.Option(
        "--exact-cohort-size", metavar="", help="Retrain what was trained at another cohort size."
    ),
]
TimeoutOption = Annotated[
    str | None,
    typer.Option(
        "--timeout",
        metavar="TIME",
        help="End experiments that take longer, such as 90 (seconds), 10m or 2h.",
    ),
]
RetryOption = Annotated[
    list[str] | None,
    typer.Option(
        "--retry",
        metavar="STATUS",
        help="Rerun experiments that ended as failed, oom, timeout, diverged or all; repeatable.",
        autocompletion=complete.one_of("failed", "oom", "timeout", "diverged", "all"),
    ),
]
RerunOption = Annotated[
    bool, typer.Option("--rerun", metavar="", help="Run everything again, trainings included.")
]
ExitFirstOption = Annotated[
    bool, typer.Option("--exitfirst", "-x", metavar="", help="Stop at the first failure.")
]
SuitesOption = Annotated[
    list[str] | None,
    typer.Option("--suite", metavar="NAME", help="Only this suite; repeatable."),
]
TasksOption = Annotated[
    list[str] | None,
    typer.Option(
        "--task",
        metavar="TASK",
        help="Only this task: MODEL, MODEL/DATASET or MODEL/DATASET/RECIPE, with * as a wildcard; "
        "repeatable.",
    ),
]
DensitiesOption = Annotated[
    list[float] | None,
    typer.Option("--density", metavar="D", help="Only this target density; repeatable."),
]
FormatOption = Annotated[
    str,
    typer.Option(
        "--format",
        metavar="FORMAT",
        help="table, json, csv, markdown or latex.",
        autocompletion=complete.one_of("table", "json", "csv", "markdown", "latex"),
    ),
]
JsonOption = Annotated[bool, typer.Option("--json", metavar="", help="Print one JSON object.")]
