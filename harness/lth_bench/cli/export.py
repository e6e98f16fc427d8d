"""`lth-bench export`: results as files to share."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from lth_bench.cli.export_ticket import ticket
from lth_bench.cli.options import JsonOption, ResultsOption, SuitesOption

if TYPE_CHECKING:
    from lth_bench.store.export import Exported

app = typer.Typer(
    help="Export results as Parquet or CSV files, or as one database; or a ticket with its values.",
    no_args_is_help=True,
    context_settings={"help_option_names": ["-h", "--help"]},
)

app.command("ticket")(ticket)

FolderOption = Annotated[
    Path,
    typer.Option("--output", metavar="FOLDER", help="Folder for the files, one for each table."),
]
SnapshotOption = Annotated[
    Path, typer.Option("--output", metavar="FILE", help="File to write, such as mine.duckdb.")
]
RowsOption = Annotated[
    Path, typer.Option("--output", metavar="FILE", help="File to write, such as mine.parquet.")
]
ForceOption = Annotated[bool, typer.Option("--force", metavar="", help="Overwrite existing files.")]


@app.command("parquet")
def parquet(
    output: FolderOption,
    results: ResultsOption = None,
    suite: SuitesOption = None,
    force: ForceOption = False,
    json_: JsonOption = False,
) -> None:
    """Write every view and table as a Parquet file."""
    _tables("parquet", output=output, results=results, suite=suite, force=force, json_=json_)


@app.command("csv")
def csv(
    output: FolderOption,
    results: ResultsOption = None,
    suite: SuitesOption = None,
    force: ForceOption = False,
    json_: JsonOption = False,
) -> None:
    """Write every view and table as a CSV file with a header."""
    _tables("csv", output=output, results=results, suite=suite, force=force, json_=json_)


@app.command("snapshot")
def snapshot(
    output: SnapshotOption,
    results: ResultsOption = None,
    suite: SuitesOption = None,
    force: ForceOption = False,
    json_: JsonOption = False,
) -> None:
    """Write one self-contained database file, to send, archive, or merge into other results.

    It contains everything but the checkpoints: accuracies, mask sizes, commands, machine names.
    """
    from lth_bench.store.export import export_snapshot
    from lth_bench.store.paths import default_results

    found = export_snapshot(results or default_results(), output, suite or (), force)
    _tell(found, json_)


@app.command("rows")
def rows(
    suite: Annotated[str, typer.Argument(metavar="SUITE", help="Name of the suite.")],
    output: RowsOption,
    results: ResultsOption = None,
    force: ForceOption = False,
    json_: JsonOption = False,
) -> None:
    """Write a suite's results seed by seed as one Parquet file, to give to others.

    It says with which suite, versions and processor they were made, which test examples each ticket
    gets right, and until when seeds were added. It names no machine and no folder. `lth-bench
    verify` runs experiments of such a file again.
    """
    import shlex

    from lth_bench.errors import UserError
    from lth_bench.store.export import Exported
    from lth_bench.store.paths import default_results
    from lth_bench.store.seed_rows import write_rows

    if output.suffix != ".parquet":
        raise UserError(f"--output must end in .parquet, but got {output}")
    if output.is_dir():
        raise UserError(f"--output names a folder, {output}; name a file")
    if output.exists() and not force:
        raise UserError(f"{output} exists; name another file, or overwrite it with --force")
    if not output.absolute().parent.is_dir():
        raise UserError(f"there is no folder {output.absolute().parent}; make it first")
    write_rows(results or default_results(), suite, output, shlex.join(["lth-bench", "run", suite]))
    _tell(Exported(output, 1, output.stat().st_size), json_)


def _tables(
    format: str,
    *,
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
        results or default_results(),
        output,
        format=format,
        suites=suite or (),
        force=force,
        note=to_stderr,
    )
    _tell(found, json_)


def _tell(found: Exported, json_: bool) -> None:
    from dataclasses import asdict

    from lth_bench.cli.output import print_json

    if json_:
        print_json(asdict(found))
    else:
        size = (
            f"{found.bytes / 1e6:,.1f} MB" if found.bytes >= 1e5 else f"{found.bytes / 1e3:,.1f} kB"
        )
        what = f"{found.files} files in {found.output}" if found.files > 1 else str(found.output)
        print(f"wrote {what} ({size})")
