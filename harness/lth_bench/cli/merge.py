"""`lth-bench merge`: add the results of another machine."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from lth_bench.cli.options import JsonOption, ResultsOption

if TYPE_CHECKING:
    from lth_bench.store.merge import MergeReport

NAMED = 5
"""Configurations that are listed at most; `--json` has all."""


def merge(
    others: Annotated[
        list[Path],
        typer.Argument(
            metavar="OTHER.duckdb…",
            help="A database with its journal beside it, a snapshot, or a .journal.jsonl.",
        ),
    ],
    results: ResultsOption = None,
    json_: JsonOption = False,
) -> None:
    """Merge other results into these, as if they had been run here. Existing results are kept.

    Merging the same results again changes nothing. Checkpoints are not merged.
    """
    from dataclasses import asdict

    from lth_bench.cli.output import print_json
    from lth_bench.store.merge import merge as merge_
    from lth_bench.store.paths import Paths, default_results

    path = results or default_results()
    reports, folded = merge_(Paths(path), others)
    if json_:
        merged = [asdict(report) for report in reports]
        print_json({"results": str(path), "merged": merged, "fold": folded.message})
        return
    for report in reports:
        print("\n".join(_lines(report)))
    if folded.delayed:
        typer.echo(f"note: {folded.message}", err=True)


def _lines(report: MergeReport) -> list[str]:
    from lth_bench.system.text import printable

    experiments = _count(report.experiments_new, "experiment")
    tickets = _count(report.tickets_new, "ticket")
    counts = (
        f"{experiments} new, {report.experiments_known:,} already here; "
        f"{tickets} new, {report.tickets_known:,} already here"
    )
    lines = [f"{report.source}: {counts}"]
    if report.trials_new:
        lines.append(f"  {_count(report.trials_new, 'tuning trial')} new")
    if report.filled:
        lines.append(f"  {_count(report.filled, 'experiment')} without a result here got one")
    if report.different:
        one = report.different == 1
        lines.append(
            f"  {_count(report.different, 'experiment')} {'has a' if one else 'have'} different "
            f"result{'' if one else 's'} there; the result{'' if one else 's'} here "
            f"{'is' if one else 'are'} kept"
        )
    lines += [f"  different configurations of {text}" for text in report.configurations[:NAMED]]
    if len(report.configurations) > NAMED:
        lines.append(f"  … and of {len(report.configurations) - NAMED} more")
    return [printable(line) for line in lines]


def _count(number: int, what: str) -> str:
    return f"{number:,} {what}{'' if number == 1 else 's'}"
