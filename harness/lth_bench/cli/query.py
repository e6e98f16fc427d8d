"""`lth-bench query`: SQL over the results, read-only."""

from __future__ import annotations

from typing import Annotated, NoReturn

import typer

from lth_bench.cli import complete
from lth_bench.cli.options import JsonOption, ResultsOption
from lth_bench.errors import INTERRUPTED, UserError
from lth_bench.system.streams import typed, until_reader_gone


def query(
    sql: Annotated[
        str, typer.Argument(metavar="SQL", help='One SQL statement, such as "FROM leaderboard".')
    ],
    results: ResultsOption = None,
    format: Annotated[
        str,
        typer.Option(
            "--format",
            metavar="FORMAT",
            help="table, json, csv or markdown.",
            autocompletion=complete.one_of("table", "json", "csv", "markdown"),
        ),
    ] = "table",
    json_: JsonOption = False,
    timeout: Annotated[
        str | None,
        typer.Option(
            "--timeout",
            metavar="TIME",
            help="Cancel the query after this time, such as 90 (seconds) or 10m; default: never.",
        ),
    ] = None,
) -> None:
    """Query the results with SQL. The query can read the results and nothing else."""
    import math
    import sys
    from dataclasses import replace

    from lth_bench.output.answer import print_answer, require_answer_format
    from lth_bench.output.terminal import stdout
    from lth_bench.running.arguments import duration
    from lth_bench.store.paths import default_results
    from lth_bench.store.query import query as ask
    from lth_bench.store.reading import reading, to_stderr

    format = "json" if json_ else format
    require_answer_format(format)
    limit = math.inf if timeout is None else duration("--timeout", timeout)
    width = stdout().width if sys.stdout.isatty() else None
    with reading(results or default_results(), to_stderr) as con:
        answer = ask(con, typed(sql), limit, _abandon)
        print_answer(replace(answer, rows=until_reader_gone(answer.rows)), format, width=width)


def _abandon(reason: BaseException) -> NoReturn:
    """End the process at once: the query cannot be cancelled otherwise, and only reads."""
    import os
    import sys

    sys.stdout.flush()
    late = isinstance(reason, UserError)
    print(f"error: {reason}" if late else "interrupted", file=sys.stderr, flush=True)
    os._exit(UserError.exit_code if late else INTERRUPTED)
