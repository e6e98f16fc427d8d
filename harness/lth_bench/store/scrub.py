"""Passwords taken out of results that an older version recorded them in."""

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
    """Of the journal, and of what a crash had torn from it."""
    message: str
    """What became of the database."""


def scrub(paths: Paths) -> Scrubbed:
    """Replace every password of a URL in the journal by `***` and make the database again from it.

    Nothing else of a line changes. The new journal takes the old one's place at once, whole;
    UserError where another run writes to these results. Without a journal, as beside a snapshot,
    there is nothing to change: a new snapshot is clean.
    """
    paths.require()
    with Journal(paths):  # no other process writes
        changed = sum(_scrub(file) for file in (paths.journal, paths.torn) if file.exists())
    if not paths.journal.exists():
        return Scrubbed(changed, "there is no journal")
    report = rebuild(paths, patience=5.0)
    return Scrubbed(changed, report.message)


def _scrub(file: Path) -> int:
    """The lines of a file that had a password; it is written again where any had."""
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
