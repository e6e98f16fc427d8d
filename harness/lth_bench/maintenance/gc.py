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


ArtifactKind = Literal["training", "partial", "leftover", "lock", "start", "foreign"]

_KEY = r"(?P<key>[0-9a-f]{40})"
_START = r"(?P<key>[0-9a-f]{64})\.safetensors"
_FOLDERS: dict[str, tuple[tuple[ArtifactKind, bool, str], ...]] = {
    "trainings": (
        ("training", True, _KEY),
        ("partial", True, rf"{_KEY}\.partial"),
        ("leftover", True, rf"\.{_KEY}\.[0-9a-f]{{32}}"),
        ("lock", False, rf"{_KEY}\.lock"),
    ),
    "starts": (
        ("start", False, _START),
        ("leftover", False, rf"\.{_START}\.[0-9a-f]{{32}}"),
    ),
}
"""Folder of the artifacts → kind, whether it is a folder, and the pattern of its name."""


@dataclass(frozen=True)
class Artifact:
    """A file or folder in `<artifacts>/trainings` or `<artifacts>/starts`."""

    path: Path
    kind: ArtifactKind
    """`training`: finished. `partial`: its checkpoint. `start`: a copy of a file that models start
    from. `leftover`: left by a killed process. `foreign`: not made by lth-bench, so it is never
    removed."""
    key: str
    """Key of the training, 40 hex digits; of a start its SHA-256; empty for a foreign file."""
    bytes: int


def list_artifacts(paths: Paths) -> Iterator[Artifact]:
    """Everything in `<artifacts>/trainings`, then in `<artifacts>/starts`, by name; nothing of a
    folder that does not exist.

    UserError if one of the three folders is a link, since its target is outside the results.
    """
    folders = [paths.artifacts / name for name in _FOLDERS]
    for place in (paths.artifacts, *folders):
        if place.is_symlink():
            raise UserError(
                f"{place} is a link to {os.readlink(place)}; gc removes nothing outside the "
                f"results, so it does not follow links"
            )
    for folder in folders:
        if not folder.is_dir():
            continue
        with os.scandir(folder) as entries:
            for entry in sorted(entries, key=lambda one: one.name):
                kind, key = _kind(folder.name, entry)
                yield Artifact(folder / entry.name, kind, key, _size(entry))


def _kind(folder: str, entry: os.DirEntry[str]) -> tuple[ArtifactKind, str]:
    for kind, is_folder, pattern in _FOLDERS[folder]:
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


@dataclass(frozen=True, kw_only=True)
class Needs:
    """The trainings and starts that the results use."""

    needed: frozenset[str]
    """Keys of trainings that a ticket of a current experiment or of tuning used."""
    named: frozenset[str]
    """Keys of trainings that any ticket used, including superseded ones."""
    starts: frozenset[str]
    """SHA-256 of the starts of all experiments, superseded ones and those of tuning too."""
    unfinished: int
    """Number of experiments that a rerun would still train."""


def read_needs(con: DuckDBPyConnection) -> Needs:
    """The trainings and starts that the results in this database use."""
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
    starts = con.execute(
        "SELECT DISTINCT start ->> 'sha256' FROM experiments WHERE start IS NOT NULL"
    ).fetchall()
    return Needs(
        needed=frozenset(key for key, current in rows if current),
        named=frozenset(key for key, _ in rows),
        starts=frozenset(sha256 for (sha256,) in starts),
        unfinished=row[0] if row is not None else 0,
    )


def sort_artifacts(paths: Paths, needs: Needs, running: bool) -> ArtifactReport:
    """Sort artifacts into those that can be removed and those that are kept.

    While experiments are unfinished, trainings that no ticket uses yet are kept: the experiments
    may resume from them. During a run, only trainings of superseded results are removable; a run
    that needs one of them trains it again. A start cannot be made again, so it is kept while any
    experiment names it.
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
    if one.kind == "start":
        return None if one.key in needs.starts else "a start of no experiment"
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
    count = size = 0
    # locks last: removing a training acquires its lock, which creates the file
    for item in sorted(removable, key=lambda w: w.artifact.kind == "lock"):
        one = item.artifact
        try:
            # a run copies starts while `no_run` would find it, so they need no locks of their own
            gone = _unlink(one.path) if one.path.parent.name == "starts" else _remove_locked(one)
        except OSError as error:
            raise disk_error(error, one.path, "remove") from error
        if gone:
            count += 1
            size += one.bytes
    return count, size


def _unlink(path: Path) -> bool:
    """Whether there was such a file."""
    try:
        path.unlink()
    except FileNotFoundError:
        return False
    return True


def _remove_locked(one: Artifact) -> bool:
    """Remove what belongs to a training; False while a process trains it, or if it is gone."""
    from filelock import FileLock, Timeout

    lock = FileLock(one.path.parent / f"{one.key}.lock")
    try:
        lock.acquire(blocking=False)
    except Timeout:
        return False
    try:
        if one.kind != "lock" and not one.path.is_symlink():
            shutil.rmtree(one.path)
    except FileNotFoundError:
        return False
    finally:
        # delete the file while it is locked: a process that waits for it then creates another
        with contextlib.suppress(OSError):
            os.unlink(lock.lock_file)
        lock.release()
    return True
