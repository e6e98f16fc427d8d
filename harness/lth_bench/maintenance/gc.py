"""`gc`: find the artifacts that no result needs, and remove them. It follows no links."""

from __future__ import annotations

import contextlib
import os
import re
import shutil
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from lth_bench.errors import UserError
from lth_bench.running.pending import DONE
from lth_bench.store.paths import Paths, disk_error

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection


ArtifactKind = Literal["training", "partial", "leftover", "lock", "foreign"]

_KEY = r"(?P<key>[0-9a-f]{40})"
_KINDS: tuple[tuple[ArtifactKind, bool, str], ...] = (
    ("training", True, _KEY),
    ("partial", True, rf"{_KEY}\.partial"),
    ("leftover", True, rf"\.{_KEY}\.[0-9a-f]{{32}}"),
    ("lock", False, rf"{_KEY}\.lock"),
)
"""Kind, whether it is a folder, and the pattern of its name."""


@dataclass(frozen=True)
class Artifact:
    """A file or folder in `<artifacts>/trainings`."""

    path: Path
    kind: ArtifactKind
    """`training`: finished. `partial`: its checkpoint. `leftover`: left by a killed process.
    `foreign`: not made by lth-bench, so it is never removed."""
    key: str
    """Key of the training, 40 hex digits; empty for a foreign file."""
    bytes: int


def list_artifacts(paths: Paths) -> Iterator[Artifact]:
    """Everything in `<artifacts>/trainings`, by name; nothing if that folder does not exist.

    UserError if one of the two folders is a link, since its target is outside the results.
    """
    folder = paths.artifacts / "trainings"
    for place in (paths.artifacts, folder):
        if place.is_symlink():
            raise UserError(
                f"{place} is a link to {os.readlink(place)}; gc removes nothing outside the "
                f"results, so it does not follow links"
            )
    if not folder.is_dir():
        return
    with os.scandir(folder) as entries:
        for entry in sorted(entries, key=lambda one: one.name):
            kind, key = _kind(entry)
            yield Artifact(folder / entry.name, kind, key, _size(entry))


def _kind(entry: os.DirEntry[str]) -> tuple[ArtifactKind, str]:
    for kind, is_folder, pattern in _KINDS:
        found = re.fullmatch(pattern, entry.name)
        fits = entry.is_dir if is_folder else entry.is_file
        if found is not None and fits(follow_symlinks=False):
            return kind, found["key"]
    return "foreign", ""


def _size(entry: os.DirEntry[str]) -> int:
    if not entry.is_dir(follow_symlinks=False):
        return entry.stat(follow_symlinks=False).st_size
    total = 0
    for folder, _, files in os.walk(entry.path, followlinks=False):
        for name in files:
            try:
                total += os.lstat(os.path.join(folder, name)).st_size
            except FileNotFoundError:  # a run has finished with it in the meantime
                continue
    return total


@dataclass(frozen=True)
class Removable:
    """An artifact that can be removed."""

    artifact: Artifact
    reason: str


@dataclass(frozen=True, kw_only=True)
class ArtifactReport:
    """All artifacts: those that can be removed, and those that are kept."""

    removable: tuple[Removable, ...]
    kept: int
    kept_bytes: int
    foreign: tuple[str, ...]
    """Names of files that lth-bench did not make."""
    running: bool
    """Whether a run is writing to these results."""
    unfinished: int
    """Number of experiments that a rerun would still train."""

    @property
    def bytes(self) -> int:
        """Bytes that removing the removable artifacts frees."""
        return sum(w.artifact.bytes for w in self.removable)


@dataclass(frozen=True)
class Needs:
    """The trainings that the results use."""

    needed: frozenset[str]
    """Keys of trainings that a ticket of a current experiment or of tuning used."""
    named: frozenset[str]
    """Keys of trainings that any ticket used, including superseded ones."""
    unfinished: int
    """Number of experiments that a rerun would still train."""


def read_needs(con: DuckDBPyConnection) -> Needs:
    """The trainings that the results in this database use."""
    rows = con.execute(
        """
        SELECT DISTINCT k.key, e.current OR e.scored_on <> 'test'
        FROM ticket_trainings k
        JOIN tickets i ON i.ticket_id = k.ticket_id
        LEFT JOIN experiments e ON e.experiment_id = i.experiment_id
        WHERE k.key IS NOT NULL
        """
    ).fetchall()
    done = ", ".join(f"'{status}'" for status in sorted(DONE))
    row = con.execute(
        f"SELECT count(*) FROM experiments WHERE current AND status NOT IN ({done})"
    ).fetchone()
    needed = frozenset(key for key, current in rows if current)
    return Needs(needed, frozenset(key for key, _ in rows), row[0] if row is not None else 0)


def sort_artifacts(paths: Paths, needs: Needs, running: bool) -> ArtifactReport:
    """Sort artifacts into those that can be removed and those that are kept.

    While experiments are unfinished, trainings that no ticket uses yet are kept: the experiments
    may resume from them. During a run, only trainings of superseded results are removable; a run
    that needs one of them trains it again.
    """
    removable: list[Removable] = []
    kept = size = 0
    foreign = []
    for one in list_artifacts(paths):
        reason = _reason(one, needs, running)
        if one.kind == "foreign":
            foreign.append(one.path.name)
        elif reason is not None:
            removable.append(Removable(one, reason))
        else:
            kept += 1
            size += one.bytes
    return ArtifactReport(
        removable=tuple(removable),
        kept=kept,
        kept_bytes=size,
        foreign=tuple(foreign),
        running=running,
        unfinished=needs.unfinished,
    )


def _reason(one: Artifact, needs: Needs, running: bool) -> str | None:
    """Why it can be removed; None if it is kept."""
    if one.kind == "training":
        if one.key in needs.needed:
            return None
        if one.key in needs.named:
            return "used only by results that newer ones replaced"
        return None if needs.unfinished or running else "used by no result"
    if running:
        return None
    if one.kind == "partial":
        return None if needs.unfinished else "an unfinished training that no experiment needs"
    if one.kind == "leftover":
        return "incomplete, left by a process that was killed"
    return "an unused lock" if one.kind == "lock" else None


@contextlib.contextmanager
def no_run(paths: Paths) -> Iterator[bool]:
    """Whether a run is writing to these results; if not, none can start within this block."""
    from filelock import FileLock, Timeout

    if not paths.journal.exists():  # a snapshot, which no run writes to
        yield False
        return
    lock = FileLock(paths.lock, thread_local=False)
    try:
        lock.acquire(blocking=False)
    except Timeout:
        yield True
        return
    except OSError:  # the folder is not writable, so nothing can be removed either
        yield False
        return
    try:
        yield False
    finally:
        lock.release()


def remove(removable: Sequence[Removable]) -> tuple[int, int]:
    """Remove artifacts, except those that are in use by now. Returns the number removed and their
    size in bytes.

    DiskError if they cannot be removed.
    """
    from filelock import FileLock, Timeout

    count = size = 0
    # locks last: removing a training acquires its lock, which creates the file
    for item in sorted(removable, key=lambda w: w.artifact.kind == "lock"):
        one = item.artifact
        lock = FileLock(one.path.parent / f"{one.key}.lock")
        try:
            lock.acquire(blocking=False)
        except Timeout:
            continue  # a process is training it
        except OSError as error:
            raise disk_error(error, one.path, "remove") from error
        try:
            if one.kind != "lock" and not one.path.is_symlink():
                shutil.rmtree(one.path)
        except FileNotFoundError:
            continue
        except OSError as error:
            raise disk_error(error, one.path, "remove") from error
        finally:
            # delete the file while it is locked: a process that waits for it then creates another
            with contextlib.suppress(OSError):
                os.unlink(lock.lock_file)
            lock.release()
        count += 1
        size += one.bytes
    return count, size
