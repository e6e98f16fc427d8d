"""`lth-bench db`: inspect the database, and rebuild it from the journal."""

from __future__ import annotations

from typing import TYPE_CHECKING

import typer

from lth_bench.cli.options import JsonOption, ResultsOption

if TYPE_CHECKING:
    from lth_bench.store.fold import FoldReport

app = typer.Typer(
    help="Inspect, update, rebuild or scrub the database.",
    no_args_is_help=True,
    context_settings={"help_option_names": ["-h", "--help"]},
)


@app.command("info")
def info(results: ResultsOption = None, json_: JsonOption = False) -> None:
    """Show the contents and size of the results, and whether the database is up to date."""
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
    """Update the database from the journal. Every command that reads results does this itself."""
    from lth_bench.store.fold import fold as fold_
    from lth_bench.store.paths import Paths, default_results

    _tell(fold_(Paths(results or default_results()), patience=2.0), json_)


@app.command("rebuild")
def rebuild(results: ResultsOption = None, json_: JsonOption = False) -> None:
    """Rebuild the database from the journal, for example if its file is damaged."""
    from lth_bench.store.fold import rebuild as rebuild_
    from lth_bench.store.paths import Paths, default_results

    _tell(rebuild_(Paths(results or default_results()), patience=2.0), json_)


@app.command("scrub")
def scrub(results: ResultsOption = None, json_: JsonOption = False) -> None:
    """Remove passwords in database URLs from results written by an older version.

    Earlier reports, exports and snapshots still contain them: create these again, and change the
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
    print(f"{lines} of the journal contained passwords; {done.message}")


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
