"""`lth-bench db`: the state of the database, and making it follow the journal."""

from __future__ import annotations

from typing import TYPE_CHECKING

import typer

from lth_bench.cli.options import JsonOption, ResultsOption

if TYPE_CHECKING:
    from lth_bench.store.fold import FoldReport

app = typer.Typer(
    help="Look after the database: info, fold, rebuild, scrub.",
    no_args_is_help=True,
    context_settings={"help_option_names": ["-h", "--help"]},
)


@app.command("info")
def info(results: ResultsOption = None, json_: JsonOption = False) -> None:
    """Say what is in the results, how large they are and whether the database is up to date."""
    from lth_bench.cli.output import print_json
    from lth_bench.output.answer import print_answer
    from lth_bench.store.info import describe
    from lth_bench.store.paths import Paths, default_results
    from lth_bench.store.query import Answer
    from lth_bench.store.reading import to_stderr

    found = describe(Paths(results or default_results()), to_stderr)
    if json_:
        print_json(found)
        return
    flat = {key: value for key, value in found.items() if not isinstance(value, dict)}
    flat |= {
        f"{key}: {name}": value
        for key, inner in found.items()
        if isinstance(inner, dict)
        for name, value in inner.items()
    }
    print_answer(Answer(("what", "value"), iter(flat.items())), "table")


@app.command("fold")
def fold(results: ResultsOption = None, json_: JsonOption = False) -> None:
    """Bring the database up to the journal. Every command that reads does so by itself."""
    from lth_bench.store.fold import fold as fold_
    from lth_bench.store.paths import Paths, default_results

    _tell(fold_(Paths(results or default_results()), patience=2.0), json_)


@app.command("rebuild")
def rebuild(results: ResultsOption = None, json_: JsonOption = False) -> None:
    """Make the database anew from the journal, as when its file is damaged."""
    from lth_bench.store.fold import rebuild as rebuild_
    from lth_bench.store.paths import Paths, default_results

    _tell(rebuild_(Paths(results or default_results()), patience=2.0), json_)


@app.command("scrub")
def scrub(results: ResultsOption = None, json_: JsonOption = False) -> None:
    """Take passwords of databases' URLs out of results that an older version wrote them into.

    Reports, exports and snapshots made before have them still: make those again, and change the
    password.
    """
    from dataclasses import asdict

    from lth_bench.cli.output import print_json
    from lth_bench.store.paths import Paths, default_results
    from lth_bench.store.scrub import scrub as scrub_

    done = scrub_(Paths(results or default_results()))
    if json_:
        print_json(asdict(done))
        return
    lines = "1 line" if done.lines == 1 else f"{done.lines:,} lines"
    print(f"{lines} of the journal had passwords; {done.message}")


def _tell(report: FoldReport, json_: bool) -> None:
    from dataclasses import asdict

    from lth_bench.cli.output import print_json
    from lth_bench.errors import USAGE, UserError

    if json_:
        print_json({**asdict(report), "message": report.message})
    elif report.delayed:
        raise UserError(report.message)
    else:
        print(report.message)
    if report.delayed:
        raise typer.Exit(USAGE)
