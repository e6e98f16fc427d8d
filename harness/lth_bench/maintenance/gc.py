"""Which artifacts no result needs, and removing them."""

from __future__ import annotations

import contextlib
import os
import shutil
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from lth_bench.maintenance.artifacts import Artifact, list_artifacts
from lth_bench.running.outcomes import DONE
from lth_bench.store.paths import Paths, disk_error

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection


@dataclass(frozen=True)
class Waste:
    """An artifact that can go."""

    artifact: Artifact
    reason: str


@dataclass(frozen=True)
class Sorted:
    """All artifacts: those that can go, and those that stay."""

    waste: tuple[Waste, ...]
    kept: int
    kept_bytes: int
    foreign: tuple[str, ...]
    """Names of what lth-bench did not make."""
    running: bool
    """Whether a run writes to these results now."""
    unfinished: int
    """Experiments that the same command would still train."""

    @property
    def bytes(self) -> int:
        """What removing the waste frees."""
        return sum(w.artifact.bytes for w in self.waste)


@dataclass(frozen=True)
class Needs:
    """What the results say of the trainings."""

    needed: frozenset[str]
    """Keys of trainings that a current experiment's ticket used, or a search for parameters."""
    named: frozenset[str]
    """Keys that any ticket used, superseded ones too."""
    unfinished: int


def read_needs(con: DuckDBPyConnection) -> Needs:
    """Which trainings the results in this database rest on."""
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


def sort_artifacts(paths: Paths, needs: Needs, running: bool) -> Sorted:
    """Tell what can go from what stays.

    While experiments are unfinished, what no ticket names yet stays: they may take it up again.
    While a run is under way, only trainings of superseded results go; a run that wants one of them
    after all trains it again.
    """
    waste: list[Waste] = []
    kept = size = 0
    foreign = []
    for one in list_artifacts(paths):
        reason = _reason(one, needs, running)
        if one.kind == "foreign":
            foreign.append(one.path.name)
        elif reason is not None:
            waste.append(Waste(one, reason))
        else:
            kept += 1
            size += one.bytes
    return Sorted(tuple(waste), kept, size, tuple(foreign), running, needs.unfinished)


def _reason(one: Artifact, needs: Needs, running: bool) -> str | None:
    """Why it can go; None where it stays."""
    if one.kind == "training":
        if one.key in needs.needed:
            return None
        if one.key in needs.named:
            return "only results that newer ones have replaced used it"
        return None if needs.unfinished or running else "no result used it"
    if running:
        return None
    if one.kind == "partial":
        return None if needs.unfinished else "a training in mid-way that nothing waits for"
    if one.kind == "leftover":
        return "left half written by a process that was killed"
    return "a lock that nobody holds" if one.kind == "lock" else None


@contextlib.contextmanager
def no_run(paths: Paths) -> Iterator[bool]:
    """Whether a run writes to these results; where none does, none can begin within."""
    from filelock import FileLock, Timeout

    if not paths.journal.exists():  # a snapshot, which nothing writes to
        yield False
        return
    lock = FileLock(paths.lock, thread_local=False)
    try:
        lock.acquire(blocking=False)
    except Timeout:
        yield True
        return
    except OSError:  # a folder that cannot be written to: nothing can be removed there either
        yield False
        return
    try:
        yield False
    finally:
        lock.release()


def remove(waste: Sequence[Waste]) -> tuple[int, int]:
    """Remove it; how many artifacts went, and their bytes. What is in use by now stays.

    DiskError where the folder refuses.
    """
    from filelock import FileLock, Timeout

    count = size = 0
    # locks last: removing a training takes its lock, which makes the file
    for item in sorted(waste, key=lambda w: w.artifact.kind == "lock"):
        one = item.artifact
        lock = FileLock(one.path.parent / f"{one.key}.lock")
        try:
            lock.acquire(blocking=False)
        except Timeout:
            continue  # somebody trains it at this moment
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
            # while it is held: who waits for it notices that it is gone, and makes another
            with contextlib.suppress(OSError):
                os.unlink(lock.lock_file)
            lock.release()
        count += 1
        size += one.bytes
    return count, size
