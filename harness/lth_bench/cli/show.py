"""`lth-bench show`: everything about one experiment or ticket; a run while it goes."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from lth_bench.cli.options import JsonOption, ResultsOption

if TYPE_CHECKING:
    from lth_bench.store.runs import RecordedRun


def show(
    identity: Annotated[
        str | None,
        typer.Argument(
            metavar="ID",
            help="First characters of an experiment's or ticket's id; or SUITE/LABEL, if that is "
            "one experiment. With --follow: of a run's id; default: the one that runs.",
        ),
    ] = None,
    results: ResultsOption = None,
    follow: Annotated[
        bool,
        typer.Option(
            "--follow",
            "-f",
            metavar="",
            help="Follow a run or a tuning until it ends, from another terminal. Ctrl-C leaves it "
            "alone.",
        ),
    ] = False,
    json_: JsonOption = False,
) -> int | None:
    """Show an experiment: settings, outcome, tickets, layers, trainings, cost, and its command.
    With --follow, a run while it goes.
    """
    from lth_bench.analysis.experiment import account
    from lth_bench.cli.output import print_json
    from lth_bench.errors import UserError
    from lth_bench.output.account import shown
    from lth_bench.output.terminal import stdout
    from lth_bench.store.paths import default_results, results_option
    from lth_bench.store.reading import reading, to_stderr

    path = results or default_results()
    if follow:
        return follow_run(path, identity or "", json_)
    if identity is None:
        raise UserError(
            "ID is missing: name an experiment or a ticket, as "
            f'`lth-bench query{results_option(path)} "FROM tickets"` lists them, or follow a run '
            "with --follow"
        )
    with reading(path, to_stderr) as con:
        found = account(con, identity, path)
    if json_:
        print_json(found)
    else:
        stdout().print(shown(found))
    return None


def follow_run(results: Path, run_id: str, json_: bool) -> int:
    """Show a run until it ends; after a tuning, the run that compares its settings too. Exit codes
    as of `run`: 2 where experiments are left.
    """
    import sys

    from lth_bench.cli.output import print_json
    from lth_bench.cli.runs import as_row
    from lth_bench.errors import INTERRUPTED, OK, SOME_FAILED
    from lth_bench.output.progress import make_progress
    from lth_bench.running.following import comparison, follow
    from lth_bench.store.paths import Paths, results_option

    paths = Paths(results)
    try:
        runs = [follow(paths, make_progress(), run_id)]
        if not json_:
            print_end(runs[0], results)
        if (after := comparison(paths, runs[0])) is not None:
            if not json_:
                print("next: own and tuned settings, on the test split", flush=True)
            runs.append(follow(paths, make_progress(), after.run_id))
            if not json_:
                print_end(runs[1], results)
    except KeyboardInterrupt:
        print("no longer following; the run is left alone", file=sys.stderr)
        return OK
    if json_:
        rows = [as_row(run) for run in runs]
        print_json(rows[0] | ({"comparison": rows[1]} if len(rows) > 1 else {}))
    else:
        print(f"results: {results} (lth-bench leaderboard{results_option(results)})")
    if any(run.left for run in runs):
        return INTERRUPTED
    return SOME_FAILED if any(run.failed for run in runs) else OK


def print_end(run: RecordedRun, results: Path) -> None:
    """What became of a run of these results."""
    from lth_bench.output.words import counted, duration
    from lth_bench.output.workers import summed_up
    from lth_bench.running.usage import recorded_uses
    from lth_bench.store.paths import results_option

    counts = {"done": run.finished, "failed": run.failed, "left": run.left}
    found = {word: number for word, number in counts.items() if number}
    parts = [f"{number:,} {word}" for word, number in found.items()]
    if run.tuning:
        parts = [f"{counted(number, 'trial')} {word}" for word, number in found.items()]
    done = ", ".join(parts) or "nothing to do"
    print(f"{run.suite}, run {run.run_id}: {done} in {duration(run.seconds)}")
    if (used := summed_up(recorded_uses(run.workers))) is not None:
        print(used)
    if run.tuning and run.compares is None and run.state == "complete":
        listed = f"lth-bench ls runs{results_option(results)}"
        print(f"its comparison on the test split is a run of its own: {listed}")
    if run.left:
        print(f"the run has ended; rerun its command to resume: {run.command}")
