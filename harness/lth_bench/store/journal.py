"""The journal: one JSON record a line, on disk before anything else learns of it."""

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
"""Bytes of a line, at most. A plan of 100,000 experiments, the most that is run, takes a third."""


MOST_LOCK = 1 << 16
"""Bytes of a lock file, which names a process."""


class Journal:
    """Reads the journal of a set of results, and writes it between `open` and `close`.

    One process writes at a time: `open` takes a lock that dies with the process. Workers must
    not be forked while it is held, because a child would keep it.
    """

    def __init__(self, paths: Paths) -> None:
        self.paths = paths
        self._fd: int | None = None
        self._written = 0
        self._fresh = False
        self._lock: BaseFileLock | None = None
        self._thread = threading.Lock()

    def open(self) -> Journal:
        """Begin to write. A last line torn by a crash is moved to the `.torn` file first.

        UserError if another run writes to these results, or if the folder cannot be written.
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
        """Stop writing and let others write."""
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
        """Stop writing. Of what was refused before its first record no journal is left."""
        if kind is not None and self._fresh and self._fd is not None:
            empty = not self._written and not os.fstat(self._fd).st_size
            if empty and self._still_there():
                self.paths.journal.unlink(missing_ok=True)
        self.close()

    def append(self, record: Mapping[str, Any]) -> None:
        """Write one record (see `store.records`) and flush it to the disk before returning.

        `at` is added where it is absent. Numbers that are not finite become null. A record that
        does not fit on the disk leaves no trace, and a UserError says what to do.
        """
        line = encode(record)
        with self._thread:
            self._write(self._end(), (line,))

    def extend(self, lines: Iterable[bytes]) -> None:
        """Write lines as `encode` makes them, and flush them to the disk once, at the end.

        All or none: where the disk refuses, where making a line fails, and on Ctrl-C, none stays.
        A process that is killed meanwhile leaves a beginning of them, the last perhaps torn.
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
        """Write and flush. Where the disk refuses, cut off what is there after `end`."""
        assert self._fd is not None
        try:
            # what is written now could not be read again; two looks take 3 µs, a flush a hundred
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
        """Every whole record from a byte offset on, each with the offset that follows it.

        A torn last line is passed over. A missing journal has no records. UserError for a line
        that is no record, with its position.
        """
        for start, line in whole_lines(self.paths.journal, offset):
            yield decode(line, self.paths.journal, start), start + len(line)

    def _take_lock(self) -> None:
        from filelock import FileLock, Timeout

        lock = FileLock(self.paths.lock, thread_local=False)
        try:
            lock.acquire(blocking=False)
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
        """Cut off what follows the last newline, after a copy of it is on disk."""
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
    """How an experiment has ended, and what its results rest on, as far as that was recorded."""

    status: str
    fingerprint: str | None = None
    """Of the content of its data."""
    replaces: str | None = None
    """Of the data that its earlier results were from, where they were given up for this."""
    numerics: Mapping[str, Any] = MappingProxyType({})
    """`torch`, `engine`, `device`."""


def endings(paths: Paths, cohort_size: int | None = None) -> dict[str, Ending]:
    """experiment_id → how it last ended, straight from the journal, whatever the database knows.

    With `cohort_size`, only of experiments that ran at this size.
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
    """experiment_id → its last status, as `endings` has it."""
    return {identity: ending.status for identity, ending in endings(paths, cohort_size).items()}


def whole_lines(journal: Path, offset: int = 0) -> Iterator[tuple[int, bytes]]:
    """Every whole line from a byte offset on, each with its own offset; empty ones left out.

    A torn last line is passed over. A missing journal has no lines.
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
    """Its lines; of one that is longer than any, the pieces."""
    return iter(partial(file.readline, LONGEST), b"")


def require_short(line: bytes, journal: Path, offset: int) -> None:
    """UserError for a piece of a line that is longer than any record."""
    if len(line) >= LONGEST:
        raise bad_record(journal, offset, f"it is longer than {LONGEST:,} bytes")


def is_ticket(line: bytes) -> bool:
    """Whether a line can be told to be a ticket's without parsing it. Tickets are most of the
    bytes, and `encode` puts the kind first.
    """
    return line.startswith(b'{"record":"ticket"')


def encode(record: Mapping[str, Any]) -> bytes:
    """One line of the journal: compact JSON, `record` and `at` first, no NaN, no lone surrogate, no
    password.
    """
    head = {"record": record["record"], "at": record.get("at") or now()}
    whole = {**head, **{k: v for k, v in record.items() if k not in head}}
    try:
        text = json.dumps(whole, separators=(",", ":"), ensure_ascii=False, allow_nan=False)
    except ValueError:
        text = json.dumps(_finite(whole), separators=(",", ":"), ensure_ascii=False)
    text = redacted(text)
    # A file name in a reason may hold bytes that are no UTF-8; DuckDB reads only UTF-8.
    return text.encode("utf-8", "replace") + b"\n"


def _without_passwords(line: bytes) -> bytes:
    """A line that another version may have written."""
    return redacted(line.decode("utf-8", "replace")).encode() if b"://" in line else line


def decode(line: bytes, journal: Path, offset: int) -> dict[str, Any]:
    """The record of a whole line. UserError if it is none."""
    try:
        record = STRICT.decode(line.decode())
    except (ValueError, RecursionError) as error:
        raise bad_record(journal, offset, str(error)) from error
    if not isinstance(record, dict) or not isinstance(record.get("record"), str):
        raise bad_record(journal, offset, "an object with the key 'record' is expected")
    return record


def end_of_lines(journal: Path, size: int) -> int:
    """The offset just after the last newline within the first `size` bytes.

    UserError where what follows it is longer than any record.
    """
    with open_to_read(journal, "journal") as file:
        end = size
        while end > 0:
            if size - end > LONGEST:
                raise UserError(
                    f"{journal} ends in a line of more than {LONGEST:,} bytes, which is not a "
                    f"record. Delete that line; every other line counts by itself"
                )
            start = max(0, end - (1 << 16))
            file.seek(start)
            found = file.read(end - start).rfind(b"\n")
            if found >= 0:
                return start + found + 1
            end = start
    return 0


def now() -> str:
    """This moment in UTC, ISO 8601, to the millisecond."""
    return datetime.now(UTC).isoformat(timespec="milliseconds")


def bad_record(journal: Path, offset: int, why: str) -> UserError:
    """The error for a line of the journal, which begins at `offset`, that is no record of it."""
    with open_to_read(journal, "journal") as file:
        number = sum(file.read(1 << 20).count(b"\n") for _ in range(offset >> 20))
        number += file.read(offset % (1 << 20)).count(b"\n") + 1
    return UserError(
        f"{journal}, line {number} is not a record of the journal ({why}). Delete that line; "
        f"every other line counts by itself"
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
    """The lines joined into pieces of about a megabyte, for fewer calls."""
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
    # Where even that fails, the torn line is set aside when the journal is next opened.
    with contextlib.suppress(OSError):
        os.ftruncate(fd, size)


def _sync_folder(folder: Path) -> None:
    """A new file's name is on disk only when its folder is."""
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
