"""The journal: one JSON record per line, on disk before anything else uses it."""

from __future__ import annotations

import contextlib
import errno
import json
import math
import os
import socket
import threading
from collections.abc import Iterable, Iterator, Mapping
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from types import MappingProxyType, TracebackType
from typing import TYPE_CHECKING, Any, BinaryIO, NamedTuple

from lth_bench.errors import UserError
from lth_bench.store.finite import STRICT
from lth_bench.store.paths import Paths, disk_error, open_to_read
from lth_bench.system.devices import require_system
from lth_bench.system.files import read_json, require_regular
from lth_bench.system.text import redacted

if TYPE_CHECKING:
    from filelock import BaseFileLock

LONGEST = 1 << 28
"""Maximum bytes of a line. A plan of 100,000 experiments, the maximum, takes a third of it."""

MOST_LOCK = 1 << 16
"""Maximum bytes of a lock file, which names a process."""
LOOK = 0.3
"""Seconds within which a process that asks if a run is alive has let go of its lock."""


class Journal:
    """Reads the journal of a set of results, and writes it between `open` and `close`.

    One process writes at a time: `open` takes a lock that is released when the process ends. Do not
    fork workers while it is held, because a child would keep it.
    """

    def __init__(self, paths: Paths) -> None:
        self.paths = paths
        self._fd: int | None = None
        self._written = 0
        self._fresh = False
        self._lock: BaseFileLock | None = None
        self._thread = threading.Lock()

    def open(self) -> Journal:
        """Start writing. An incomplete last line, from a crash, is first moved to the `.torn` file.

        UserError if another run writes to these results, or if the folder is not writable.
        """
        if self._fd is not None:
            return self
        require_system()
        self.paths.make_folder()
        self._take_lock()
        try:
            self._fresh = not self.paths.journal.exists()
            self._fd = os.open(self.paths.journal, os.O_RDWR | os.O_CREAT | os.O_APPEND, 0o666)
            require_regular(self.paths.journal, os.fstat(self._fd))
            self._set_torn_aside(self._fd)
            self._written = os.fstat(self._fd).st_size
            if self._fresh:
                _sync_folder(self.paths.journal.parent)
        except OSError as error:
            self.close()
            raise disk_error(error, self.paths.journal, "write the journal") from error
        return self

    def close(self) -> None:
        """Stop writing and release the lock."""
        if self._fd is not None:
            os.close(self._fd)
            self._fd = None
        if self._lock is not None:
            self._lock.release()
            self._lock = None

    def __enter__(self) -> Journal:
        return self.open()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, _: TracebackType | None
    ) -> None:
        """Stop writing. A journal refused before its first record is removed."""
        if kind is not None and self._fresh and self._fd is not None:
            empty = not self._written and not os.fstat(self._fd).st_size
            if empty and self._still_there():
                self.paths.journal.unlink(missing_ok=True)
        self.close()

    def append(self, record: Mapping[str, Any]) -> None:
        """Write one record (see `store.records`) and flush it to disk before returning.

        `at` is added if missing. Numbers that are not finite become null. A record that does not
        fit on the disk leaves no trace; the UserError says what to do.
        """
        line = encode(record)
        with self._thread:
            self._write(self._end(), (line,))

    def extend(self, lines: Iterable[bytes]) -> None:
        """Write lines made by `encode`, and flush them to disk once at the end.

        All or none: after a disk error, an error in making a line, or Ctrl-C, none remains. A
        process killed meanwhile leaves some of them, the last one possibly incomplete.
        """
        with self._thread:
            end = self._end()
            try:
                self._write(end, _chunks(map(_without_passwords, lines)))
            except BaseException:
                assert self._fd is not None
                _truncate(self._fd, end)
                raise

    def _end(self) -> int:
        self.open()
        assert self._fd is not None
        return os.lseek(self._fd, 0, os.SEEK_END)

    def _write(self, end: int, chunks: Iterable[bytes]) -> None:
        """Write and flush. On a disk error, truncate to `end`."""
        assert self._fd is not None
        try:
            # otherwise writes would be lost; the two checks take 3 µs, a flush a hundred
            if not self._still_there():
                raise FileNotFoundError(errno.ENOENT, "it was removed or replaced while in use")
            if end < self._written:
                raise FileNotFoundError(errno.ENOENT, "what was written before is missing from it")
            for chunk in chunks:
                _write_all(self._fd, chunk)
            os.fsync(self._fd)
            self._written = os.lseek(self._fd, 0, os.SEEK_CUR)
        except OSError as error:
            _truncate(self._fd, end)
            raise disk_error(error, self.paths.journal, "write the journal") from error

    def _still_there(self) -> bool:
        assert self._fd is not None
        try:
            return os.path.samestat(os.fstat(self._fd), os.stat(self.paths.journal))
        except FileNotFoundError:
            return False

    def read(self, offset: int = 0) -> Iterator[tuple[dict[str, Any], int]]:
        """Every complete record from a byte offset on, each with the offset after it.

        An incomplete last line is skipped. A missing journal has no records. UserError, with its
        position, for a line that is not a record.
        """
        for start, line in whole_lines(self.paths.journal, offset):
            yield decode(line, self.paths.journal, start), start + len(line)

    def _take_lock(self) -> None:
        from filelock import FileLock, Timeout

        lock = FileLock(self.paths.lock, thread_local=False)
        try:
            lock.acquire(timeout=LOOK, poll_interval=0.02)
        except Timeout:
            raise UserError(
                f"another run is writing to {self.paths.results}{_holder(self.paths.lock)}; wait "
                f"for it to end, or name another file with --results"
            ) from None
        except OSError as error:
            raise disk_error(error, self.paths.lock, "lock") from error
        self._lock = lock
        try:
            me = {"pid": os.getpid(), "host": socket.gethostname()}
            self.paths.lock.write_text(json.dumps(me) + "\n", encoding="utf-8")
        except OSError as error:
            self.close()
            raise disk_error(error, self.paths.lock, "write") from error

    def _set_torn_aside(self, fd: int) -> None:
        """Copy everything after the last newline to another file on disk, then cut it off."""
        size = os.lseek(fd, 0, os.SEEK_END)
        whole = end_of_lines(self.paths.journal, size)
        if whole == size:
            return
        with self.paths.journal.open("rb") as file, self.paths.torn.open("ab") as torn:
            file.seek(whole)
            torn.write(file.read() + b"\n")
            torn.flush()
            os.fsync(torn.fileno())
        os.ftruncate(fd, whole)
        os.fsync(fd)


class Ending(NamedTuple):
    """How an experiment ended, and the data and numerics of its results, as far as recorded."""

    status: str
    fingerprint: str | None = None
    """Fingerprint of its data."""
    replaces: str | None = None
    """Fingerprint of the data of earlier results that were discarded in favour of this."""
    numerics: Mapping[str, Any] = MappingProxyType({})
    """`torch`, `engine`, `device`."""


def endings(paths: Paths, cohort_size: int | None = None) -> dict[str, Ending]:
    """experiment_id → how it last ended, read from the journal, independent of the database.

    With `cohort_size`, only experiments that ran at this size.
    """
    found: dict[str, Ending] = {}
    for offset, line in whole_lines(paths.journal):
        if not is_ticket(line):
            record = decode(line, paths.journal, offset)
            size = record.get("cohort_size", record.get("width"))  # older journals say width
            if record["record"] == "experiment" and cohort_size in (None, size):
                found[str(record.get("experiment_id"))] = _ending(record)
    return found


def _ending(record: Mapping[str, Any]) -> Ending:
    numerics = record.get("numerics")
    return Ending(
        str(record.get("status")),
        _text(record.get("fingerprint")),
        _text(record.get("replaces")),
        numerics if isinstance(numerics, Mapping) else {},
    )


def _text(value: object) -> str | None:
    return value if isinstance(value, str) else None


def finished(paths: Paths, cohort_size: int | None = None) -> dict[str, str]:
    """experiment_id → its last status, as in `endings`."""
    return {identity: ending.status for identity, ending in endings(paths, cohort_size).items()}


def whole_lines(journal: Path, offset: int = 0) -> Iterator[tuple[int, bytes]]:
    """Every complete line from a byte offset on, each with its own offset, without empty lines.

    An incomplete last line is skipped. A missing journal has no lines.
    """
    if not journal.exists():
        return
    with open_to_read(journal, "journal") as file:
        file.seek(offset)
        for line in lines_of(file):
            if not line.endswith(b"\n"):
                require_short(line, journal, offset)
                return
            if line.strip():
                yield offset, line
            offset += len(line)


def lines_of(file: BinaryIO) -> Iterator[bytes]:
    """The file's lines; a line above the maximum length comes in pieces."""
    return iter(partial(file.readline, LONGEST), b"")


def require_short(line: bytes, journal: Path, offset: int) -> None:
    """UserError for a piece of a line that is longer than any record."""
    if len(line) >= LONGEST:
        raise bad_record(journal, offset, f"it is longer than {LONGEST:,} bytes")


def is_ticket(line: bytes) -> bool:
    """Whether a line is recognisably a ticket's without parsing it. Tickets are most of the bytes,
    and `encode` writes the kind first.
    """
    return line.startswith(b'{"record":"ticket"')


def encode(record: Mapping[str, Any]) -> bytes:
    """One line of the journal: compact JSON, `record` and `at` first, without NaN, lone surrogates
    or passwords.
    """
    head = {"record": record["record"], "at": record.get("at") or now()}
    whole = {**head, **{k: v for k, v in record.items() if k not in head}}
    try:
        text = json.dumps(whole, separators=(",", ":"), ensure_ascii=False, allow_nan=False)
    except ValueError:
        text = json.dumps(_finite(whole), separators=(",", ":"), ensure_ascii=False)
    text = redacted(text)
    # A file name in a reason may have bytes that are not UTF-8; DuckDB reads only UTF-8.
    return text.encode("utf-8", "replace") + b"\n"


def _without_passwords(line: bytes) -> bytes:
    """For a line that may be from another version."""
    return redacted(line.decode("utf-8", "replace")).encode() if b"://" in line else line


def decode(line: bytes, journal: Path, offset: int) -> dict[str, Any]:
    """The record of a complete line. UserError if it is not one."""
    try:
        record = STRICT.decode(line.decode())
    except (ValueError, RecursionError) as error:
        raise bad_record(journal, offset, str(error)) from error
    if not isinstance(record, dict) or not isinstance(record.get("record"), str):
        raise bad_record(journal, offset, "an object with the key 'record' is expected")
    return record


def end_of_lines(journal: Path, size: int) -> int:
    """The offset just after the last newline within the first `size` bytes.

    UserError if what follows is longer than any record.
    """
    with open_to_read(journal, "journal") as file:
        end = size
        while end > 0:
            if size - end > LONGEST:
                raise UserError(
                    f"{journal} ends in a line of more than {LONGEST:,} bytes, which is not a "
                    f"record. Delete that line; all other lines are independent of it"
                )
            start = max(0, end - (1 << 16))
            file.seek(start)
            found = file.read(end - start).rfind(b"\n")
            if found >= 0:
                return start + found + 1
            end = start
    return 0


def now() -> str:
    """The current time in UTC, ISO 8601, to the millisecond."""
    return datetime.now(UTC).isoformat(timespec="milliseconds")


def bad_record(journal: Path, offset: int, why: str) -> UserError:
    """The error for the line of the journal at `offset`, which is not a valid record."""
    with open_to_read(journal, "journal") as file:
        number = sum(file.read(1 << 20).count(b"\n") for _ in range(offset >> 20))
        number += file.read(offset % (1 << 20)).count(b"\n") + 1
    return UserError(
        f"{journal}, line {number} is not a record of the journal ({why}). Delete that line; "
        f"all other lines are independent of it"
    )


def _finite(value: Any) -> Any:
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, Mapping):
        return {key: _finite(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_finite(item) for item in value]
    return value


def _chunks(lines: Iterable[bytes]) -> Iterator[bytes]:
    """The lines joined into pieces of about a megabyte, for fewer system calls."""
    piece: list[bytes] = []
    size = 0
    for line in lines:
        piece.append(line)
        size += len(line)
        if size >= 1 << 20:
            yield b"".join(piece)
            piece, size = [], 0
    if piece:
        yield b"".join(piece)


def _write_all(fd: int, line: bytes) -> None:
    view = memoryview(line)
    while view:
        view = view[os.write(fd, view) :]


def _truncate(fd: int, size: int) -> None:
    # If even that fails, the incomplete line is set aside when the journal is next opened.
    with contextlib.suppress(OSError):
        os.ftruncate(fd, size)


def _sync_folder(folder: Path) -> None:
    """A new file's name is only on disk once its folder is flushed."""
    fd = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(fd)
    finally:
        os.close(fd)


def _holder(lock: Path) -> str:
    try:
        holder = read_json(lock, MOST_LOCK)
        return f" (process {holder['pid']} on {holder['host']})"
    except (OSError, ValueError, KeyError, TypeError):
        return ""
