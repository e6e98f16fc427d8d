"""`lth-bench query`: SQL over the results, read-only."""

from __future__ import annotations

from typing import Annotated

import typer

from lth_bench.cli.options import JsonOption, ResultsOption


def query(
    sql: Annotated[
        str, typer.Argument(metavar="SQL", help='One statement, as in "FROM leaderboard".')
    ],
    results: ResultsOption = None,
    format: Annotated[
        str, typer.Option("--format", metavar="FORMAT", help="table, json, csv or markdown.")
    ] = "table",
    json_: JsonOption = False,
) -> None:
    """Ask the database a question in SQL. It can read the results and nothing else."""
    import sys

    from lth_bench.report.answer import require_format, show
    from lth_bench.report.terminal import stdout
    from lth_bench.store.paths import default_results
    from lth_bench.store.query import query as ask
    from lth_bench.store.reading import reading, to_stderr

    format = "json" if json_ else format
    require_format(format)
    with reading(results or default_results(), to_stderr) as con:
        show(ask(con, sql), format, width=stdout().width if sys.stdout.isatty() else None)
