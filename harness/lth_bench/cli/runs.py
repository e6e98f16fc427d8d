"""`lth-bench ls runs`: the runs of the results, the newest first."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from lth_bench.cli.options import JsonOption, ResultsOption

if TYPE_CHECKING:
    from lth_bench.store.runs import RecordedRun

SHORT = 8
"""Characters of an id that a table shows; `show --follow` takes as few as tell runs apart."""
STYLES = {"running": "bold green", "complete": "", "stopped": "yellow"}


def runs(results: ResultsOption = None, json_: JsonOption = False) -> None:
    """List the runs, newest first: when, how long, where, what became of them, and the command."""
    from lth_bench.cli.output import print_json
    from lth_bench.store.paths import Paths, default_results, results_option
    from lth_bench.store.runs import recorded_runs

    found = recorded_runs(Paths(results or default_results()))
    if json_:
        print_json({"runs": [as_row(run) for run in found]})
    else:
        print_runs(found, results_option(results))


def as_row(run: RecordedRun) -> dict[str, Any]:
    """One run, JSON-able."""
    return {
        "run_id": run.run_id,
        "suite": run.suite,
        "began": run.began,
        "seconds": run.seconds,
        "host": run.host,
        "device": run.device,
        "state": run.state,
        "planned": len(run.planned),
        "kept": len(run.kept),
        "finished": run.finished,
        "failed": run.failed,
        "left": run.left,
        "command": run.command,
        "tuning": run.tuning,
        "workers": [dict(one) for one in run.workers],
    }


def print_runs(found: list[RecordedRun], option: str = "") -> None:
    """A table, and below it where each ran, its command, and what its workers did with their time,
    which are too long for a column. `option` names the results in a command.
    """
    from rich.text import Text

    from lth_bench.cli.output import console, table
    from lth_bench.output.words import duration
    from lth_bench.output.workers import summed_up
    from lth_bench.running.usage import recorded_uses
    from lth_bench.system.text import printable

    out = console()
    if not found:
        out.print("no runs yet")
        return
    listing = table("run", "suite", "began", "took", "state")
    for name in ("done", "failed", "left"):
        listing.add_column(name, justify="right")
    for run in found:
        listing.add_row(
            Text(printable(run.run_id[:SHORT])),
            Text(printable(run.suite)),
            began(run.began),
            duration(run.seconds),
            Text(run.state, style=STYLES[run.state]),
            *(f"{number:,}" for number in (run.finished, run.failed, run.left)),
        )
    out.print(listing)
    for run in found:
        where = f"{run.device} on {run.host}" if run.host else run.device
        out.print(Text(printable(f"{run.run_id[:SHORT]}  {where}: {run.command}")))
        if (used := summed_up(recorded_uses(run.workers))) is not None:
            out.print(Text(printable(f"{' ' * SHORT}  {used}"), style="dim"))
    if any(run.running for run in found):
        out.print(Text(f"follow it: lth-bench show --follow{option}", style="dim"))


def began(at: str) -> str:
    """A time of the journal as this machine's clock has it: `30 Nov 15:47`; of another year, the
    date.
    """
    from datetime import datetime

    try:
        when = datetime.fromisoformat(at).astimezone()
    except ValueError:
        return "?"
    this_year = when.year == datetime.now().astimezone().year
    return when.strftime("%d %b %H:%M" if this_year else "%Y-%m-%d")
