"""`lth-bench show`: everything about one experiment or ticket."""

from __future__ import annotations

from typing import Annotated

import typer

from lth_bench.cli.options import JsonOption, ResultsOption


def show(
    identity: Annotated[
        str,
        typer.Argument(
            metavar="ID",
            help="First characters of an experiment's or ticket's id; or SUITE/LABEL, if that is "
            "one experiment.",
        ),
    ],
    results: ResultsOption = None,
    json_: JsonOption = False,
) -> None:
    """Show an experiment: settings, outcome, tickets, layers, trainings, cost, and its command."""
    from lth_bench.analysis.experiment import account
    from lth_bench.cli.output import print_json
    from lth_bench.output.account import shown
    from lth_bench.output.terminal import stdout
    from lth_bench.store.paths import default_results
    from lth_bench.store.reading import reading, to_stderr

    with reading(results or default_results(), to_stderr) as con:
        found = account(con, identity)
    if json_:
        print_json(found)
    else:
        stdout().print(shown(found))
