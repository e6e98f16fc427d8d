"""Results to be made public: a database and its tables as files, without names of machines."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from lth_bench.errors import UserError
from lth_bench.store.anonymous import anonymise
from lth_bench.store.database import Corrupt, Locked, open_safe
from lth_bench.store.export import OPTIONS, export_tables, select_journal
from lth_bench.store.mark import read_mark
from lth_bench.store.paths import Paths
from lth_bench.store.snapshot import make_snapshot
from lth_bench.system.temporary import temporary_folder

SUMS = "SHA256SUMS"
"""The file of checksums, as `sha256sum --check` reads it."""

_PIECE = 1 << 20


@dataclass(frozen=True, kw_only=True)
class PublicResults:
    """A set of results, copied."""

    name: str
    """What it is called there: letters, digits and hyphens."""
    database: Path
    """A snapshot, which `merge` accepts."""
    schema_version: int | None
    """Of the tables that the original had; None where it had a journal only, or cannot be read."""


def publish(
    results: Path, folder: Path, name: str, *, suites: Sequence[str] = (), hosts: bool = False
) -> PublicResults:
    """Write a snapshot, `NAME.duckdb`, into the folder. The original is only read.

    Host names and paths are left out (`store.anonymous`), except with `hosts`. UserError for
    results that are missing, of a newer version, or without a journal, and for an unknown suite.
    """
    paths = Paths(results)
    paths.require()
    version = _schema_version(paths)
    made = Paths(folder / f"{name}.duckdb")
    with temporary_folder("lth-bench-site-") as temporary:
        journal = select_journal(results, suites, Path(temporary)).journal
        if not hosts:
            clean = Path(temporary) / "clean.jsonl"
            anonymise(journal, clean)
            journal = clean
        if not journal.stat().st_size:
            raise UserError(
                f"{results} has no results yet; run a suite first, as in `lth-bench run quickstart "
                f"--results {paths.quoted}`, or name another file"
            )
        make_snapshot(made, journal)
    return PublicResults(name=name, database=made.results, schema_version=version)


def write_tables(
    public: PublicResults, folder: Path, note: Callable[[str], None] | None = None
) -> None:
    """Every documented view and table as Parquet and as CSV: `NAME/parquet/VIEW.parquet`."""
    for kind in OPTIONS:
        place = folder / public.name / kind
        place.parent.mkdir(exist_ok=True)
        export_tables(public.database, place, format=kind, note=note)


def write_sums(folder: Path) -> None:
    """Checksums of all files below the folder, in a file of that name in it."""
    lines = [
        f"{checksum(file)}  {file.relative_to(folder).as_posix()}\n"
        for file in sorted(folder.rglob("*"))
        if file.is_file() and file.name != SUMS
    ]
    (folder / SUMS).write_text("".join(lines), encoding="utf-8", newline="\n")


def checksum(file: Path) -> str:
    """SHA-256 of a file's bytes, as hexadecimal digits."""
    digest = hashlib.sha256()
    with file.open("rb") as opened:
        while piece := opened.read(_PIECE):
            digest.update(piece)
    return digest.hexdigest()


def named_apart(results: Sequence[Path]) -> list[str]:
    """A name for each of several files, from its own: `results`, `results-2`. UserError where one
    is named twice.
    """
    found: list[str] = []
    for index, path in enumerate(results):
        for other in results[:index]:
            both = path.exists() and other.exists()
            if path.resolve() == other.resolve() or (both and os.path.samefile(path, other)):
                raise UserError(f"{path} is named twice; name each database once")
        kept = "".join(c if c.isascii() and c.isalnum() else "-" for c in path.stem).strip("-")
        stem = kept.lower() or "results"
        number, name = 2, stem
        while name in found:
            name, number = f"{stem}-{number}", number + 1
        found.append(name)
    return found


def _schema_version(paths: Paths) -> int | None:
    """UserError for a database of a newer version, or of another program."""
    if not paths.results.exists():
        return None
    with suppress(Locked, Corrupt), open_safe(paths) as con:
        mark = read_mark(con, paths)
        return None if mark is None else mark.schema_version
    return None
