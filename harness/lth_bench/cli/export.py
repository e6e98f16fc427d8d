"""`lth-bench export`: results to hand on."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from lth_bench.cli.options import JsonOption, ResultsOption

if TYPE_CHECKING:
    from lth_bench.store.export import Exported

app = typer.Typer(
    help="Hand results on: as Parquet or CSV files, or as one database that stands alone.",
    no_args_is_help=True,
    context_settings={"help_option_names": ["-h", "--help"]},
)

FolderOption = Annotated[
    Path, typer.Option("--output", metavar="FOLDER", help="Folder that gets a file a table.")
]
SnapshotOption = Annotated[
    Path, typer.Option("--output", metavar="FILE", help="File to make, such as mine.duckdb.")
]
SuitesOption = Annotated[
    list[str] | None,
    typer.Option("--suite", metavar="NAME", help="Only this suite; repeatable."),
]
ForceOption = Annotated[bool, typer.Option("--force", help="Overwrite what is there.")]


@app.command("parquet")
def parquet(
    output: FolderOption,
    results: ResultsOption = None,
    suite: SuitesOption = None,
    force: ForceOption = False,
    json_: JsonOption = False,
) -> None:
    """Write every view and table as a Parquet file."""
    _tables("parquet", output, results, suite, force, json_)


@app.command("csv")
def csv(
    output: FolderOption,
    results: ResultsOption = None,
    suite: SuitesOption = None,
    force: ForceOption = False,
    json_: JsonOption = False,
) -> None:
    """Write every view and table as a CSV file with a header."""
    _tables("csv", output, results, suite, force, json_)


@app.command("snapshot")
def snapshot(
    output: SnapshotOption,
    results: ResultsOption = None,
    suite: SuitesOption = None,
    force: ForceOption = False,
    json_: JsonOption = False,
) -> None:
    """Write one database file, complete in itself, to send, to keep, or to merge elsewhere.

    It holds everything but the checkpoints: accuracies, masks' sizes, commands, machines' names.
    """
    from lth_bench.store.export import export_snapshot
    from lth_bench.store.paths import default_results

    found = export_snapshot(results or default_results(), output, suite or (), force)
    _tell(found, json_)


def _tables(
    format: str,
    output: Path,
    results: Path | None,
    suite: list[str] | None,
    force: bool,
    json_: bool,
) -> None:
    from lth_bench.store.export import export_tables
    from lth_bench.store.paths import default_results
    from lth_bench.store.reading import to_stderr

    found = export_tables(
        results or default_results(), output, format, suite or (), force, to_stderr
    )
    _tell(found, json_)


def _tell(found: Exported, json_: bool) -> None:
    from dataclasses import asdict

    from lth_bench.cli.output import print_json

    if json_:
        print_json(asdict(found))
    else:
        what = f"{found.files} files in {found.output}" if found.files > 1 else str(found.output)
        print(f"wrote {what} ({found.bytes / 1e6:,.1f} MB)")
