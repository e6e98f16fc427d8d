"""Removes passwords that an older version recorded in results."""

from __future__ import annotations

import os
import shutil
from dataclasses import dataclass
from pathlib import Path

from lth_bench.store.fold import rebuild
from lth_bench.store.journal import Journal
from lth_bench.store.paths import Paths, disk_error
from lth_bench.system.text import redacted


@dataclass(frozen=True)
class Scrubbed:
    """What was changed."""

    lines: int
    """Lines of the journal, and of its `.torn` file."""
    message: str
    """What happened to the database."""


def scrub(paths: Paths) -> Scrubbed:
    """Replace every password in a URL in the journal by `***`, and rebuild the database from it.

    Nothing else in a line changes. The new journal replaces the old one atomically; UserError if
    another run writes to these results. Without a journal, as beside a snapshot, there is nothing
    to change: make a new snapshot.
    """
    paths.require()
    with Journal(paths):  # no other process writes
        changed = sum(_scrub(file) for file in (paths.journal, paths.torn) if file.exists())
    if not paths.journal.exists():
        return Scrubbed(changed, "there is no journal")
    report = rebuild(paths, patience=5.0)
    return Scrubbed(changed, report.message)


def _scrub(file: Path) -> int:
    """Number of lines of a file that had a password; the file is rewritten if any had."""
    new = file.with_name(file.name + ".scrubbed")
    changed = 0
    try:
        with file.open("rb") as old, new.open("wb") as out:
            for line in old:
                clean = line
                if b"://" in line:
                    clean = redacted(line.decode("utf-8", "surrogateescape")).encode(
                        "utf-8", "surrogateescape"
                    )
                changed += clean != line
                out.write(clean)
            out.flush()
            os.fsync(out.fileno())
        if changed:
            shutil.copymode(file, new)
            os.replace(new, file)
    except OSError as error:
        raise disk_error(error, file, "take passwords out of the journal") from error
    finally:
        new.unlink(missing_ok=True)
    return changed
