"""`lth-bench leaderboard`: who is best, by how much, at what cost."""

from __future__ import annotations

from typing import Annotated

import typer

from lth_bench.cli.options import (
    DatasetsOption,
    JsonOption,
    ModelsOption,
    ResultsOption,
)


def leaderboard(
    results: ResultsOption = None,
    suite: Annotated[
        list[str] | None,
        typer.Option("--suite", metavar="NAME", help="Only this suite; repeatable."),
    ] = None,
    task: Annotated[
        list[str] | None,
        typer.Option(
            "--task", metavar="TASK", help="MODEL, MODEL/DATASET or MODEL/DATASET/RECIPE, with *."
        ),
    ] = None,
    model: ModelsOption = None,
    dataset: DatasetsOption = None,
    density: Annotated[
        list[float] | None,
        typer.Option("--density", metavar="D", help="Only this target density; repeatable."),
    ] = None,
    control: Annotated[
        list[str] | None,
        typer.Option(
            "--control", metavar="NAME", help="Only this control (none hides all); repeatable."
        ),
    ] = None,
    format: Annotated[
        str,
        typer.Option("--format", metavar="FORMAT", help="table, json, csv, markdown or latex."),
    ] = "table",
    json_: JsonOption = False,
) -> None:
    """Rank the strategies of every task and density: mean, interval, difference to dense, cost."""
    from lth_bench.report.rendering import require_format, show
    from lth_bench.report.rows import rows
    from lth_bench.report.sheet import board
    from lth_bench.store.paths import default_results
    from lth_bench.store.reading import reading, to_stderr

    format = "json" if json_ else format
    require_format(format)
    with reading(results or default_results(), to_stderr) as con:
        found = rows(
            con, suite or (), task or (), model or (), dataset or (), density or (), control
        )
    show(board(found), format)
