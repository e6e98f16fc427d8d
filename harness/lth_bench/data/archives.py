"""Reads the files in a zip or tar one by one, within limits on memory.

An archive's headers can claim anything, and compressed zeros take a thousandth of their size. So
entries are refused by their claimed size, and bytes are counted while decompressing. Links and
devices are refused by name: silently skipped, they would be missing images.
"""

from __future__ import annotations

import bz2
import gzip
import lzma
import os
import stat
import struct
import tarfile
import zipfile
import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, BinaryIO, Protocol

from lth_bench.errors import UserError
from lth_bench.system.files import open_regular

HEADERS = 1 << 18
"""Maximum bytes of headers (names and attributes) between two entries of a tar."""
BYTES_AN_ENTRY = 16
"""A compressed tar has far more bytes per entry, unless it repeats one header."""
FEW = 1000
"""Number of entries that may be smaller than that."""
PIECE = 1 << 16
"""Maximum bytes decompressed at a time."""
DICTIONARY = 1 << 28
"""Maximum dictionary size of an xz, in bytes; its best compression level uses an eighth."""


class BadArchive(UserError):
    """An archive that cannot be used, with the reason."""

    def __init__(self, path: Path, why: str) -> None:
        super().__init__(f"{path} {why}")
        self.why = why


def names(path: Path, wanted: Callable[[str], bool], limit: int) -> list[str]:
    """The names of the wanted files in a zip or tar, sorted. Raises as `contents` does."""
    return sorted(name for name, _ in _entries(path, wanted, limit))


def contents(path: Path, wanted: Callable[[str], bool], limit: int) -> Iterator[tuple[str, bytes]]:
    """Name and content of each wanted file in a zip or tar, in the archive's order.

    BadArchive if it is damaged or malicious, or if a wanted entry is not a regular file or has more
    than `limit` bytes.
    """
    for name, read in _entries(path, wanted, limit):
        yield name, read()


Entries = Iterator[tuple[str, Callable[[], bytes]]]
"""Name, and a function that reads the content until the next entry is requested."""


def _entries(path: Path, wanted: Callable[[str], bool], limit: int) -> Entries:
    with _naming(path), open_regular(path) as file:
        if zipfile.is_zipfile(file):
            yield from _in_zip(path, file, wanted, limit)
        else:
            file.seek(0)
            yield from _in_tar(path, file, wanted, limit)


def _in_zip(path: Path, file: BinaryIO, wanted: Callable[[str], bool], limit: int) -> Entries:
    with zipfile.ZipFile(file) as packed:
        for entry in packed.infolist():
            if entry.is_dir() or not wanted(entry.filename):
                continue
            if stat.S_IFMT(entry.external_attr >> 16) not in (0, stat.S_IFREG):
                raise _no_file(path, entry.filename)
            if entry.file_size > limit:
                raise _too_long(path, entry.filename, limit)

            def read(entry: zipfile.ZipInfo = entry) -> bytes:
                with _naming(path), packed.open(entry) as opened:
                    # without pieces these two decompress everything at once
                    greedy = entry.compress_type in (zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA)
                    return _all(opened, path, entry.filename, limit, 1024 if greedy else PIECE)

            yield entry.filename, read


def _in_tar(path: Path, file: BinaryIO, wanted: Callable[[str], bool], limit: int) -> Entries:
    size = os.fstat(file.fileno()).st_size
    meter = _Meter(_unpacked(file), path)
    with tarfile.open(fileobj=meter, mode="r|") as opened:  # type: ignore[call-overload]
        count = 0
        while (member := opened.next()) is not None:
            opened.members.clear()  # it would keep all entries in memory
            meter.left = member.size + HEADERS
            count += 1
            if count > FEW + size / BYTES_AN_ENTRY:
                raise _damaged(path, f"{count:,} entries in {size:,} bytes")
            if member.isdir() or not wanted(member.name):
                continue
            if not member.isreg():
                raise _no_file(path, member.name)
            if member.size > limit:
                raise _too_long(path, member.name, limit)

            def read(member: tarfile.TarInfo = member) -> bytes:
                with _naming(path):
                    content = opened.extractfile(member)
                    assert content is not None
                    return _all(content, path, member.name, limit)

            yield member.name, read


class _Readable(Protocol):
    def read(self, size: int, /) -> bytes: ...


class _Meter:
    """The file that a tar is read from; raises if more is read than an entry and its headers."""

    def __init__(self, file: _Readable, path: Path) -> None:
        self._file, self._path = file, path
        self.left = HEADERS

    def read(self, size: int) -> bytes:
        """As a file does."""
        content = self._file.read(size)
        self.left -= len(content)
        if self.left < -2 * tarfile.RECORDSIZE:  # tarfile reads one record ahead
            raise _damaged(self._path, f"more than {HEADERS:,} bytes of headers of an entry")
        return content


def _unpacked(file: BinaryIO) -> _Readable:
    """The tar in a compressed file, recognised by its first bytes; decompressed only as
    it is read.
    """
    head = file.read(6)
    file.seek(0)
    if head.startswith(b"\x1f\x8b"):
        return gzip.GzipFile(fileobj=file)
    if head.startswith(b"BZh"):
        return bz2.BZ2File(file)
    return _Xz(file) if head == b"\xfd7zXZ\0" else file


class _Xz:
    """An xz with limited memory: the standard library's file would allocate what its
    header claims.
    """

    def __init__(self, file: BinaryIO) -> None:
        self._file = file
        self._stream: lzma.LZMADecompressor | None = None
        self._rest = b""

    def read(self, size: int) -> bytes:
        """Up to `size` further bytes; empty at the end."""
        while True:
            if self._stream is None or self._stream.eof:
                # a stream is followed by another one, or by zero padding
                rest = self._stream.unused_data if self._stream is not None else b""
                rest = (rest or self._file.read(PIECE)).lstrip(b"\0")
                if not rest:
                    return b""
                self._stream, self._rest = lzma.LZMADecompressor(memlimit=DICTIONARY), rest
            if self._stream.needs_input and not self._rest:
                self._rest = self._file.read(PIECE)
                if not self._rest:
                    raise EOFError("the file ended before the end of a stream was reached")
            given, self._rest = self._rest, b""
            content = self._stream.decompress(given, size)
            if content:
                return content


def _all(file: IO[bytes], path: Path, name: str, limit: int, piece: int = PIECE) -> bytes:
    """The whole of an entry; counts its bytes, whatever its header claims."""
    pieces, size = [], 0
    while content := file.read(piece):
        pieces.append(content)
        size += len(content)
        if size > limit:
            raise _too_long(path, name, limit)
    return b"".join(pieces)


@contextmanager
def _naming(path: Path) -> Iterator[None]:
    """Turn the errors of reading a damaged archive into one that names it."""
    try:
        yield
    except UserError:
        raise
    except _DAMAGED as error:
        raise _damaged(path, str(error)) from error


_DAMAGED = (
    tarfile.TarError, zipfile.BadZipFile, lzma.LZMAError, zlib.error, EOFError, OSError,
    NotImplementedError,  # zipfile's, for an unknown compression
    RuntimeError, ValueError, MemoryError, OverflowError, IndexError, struct.error,
)  # fmt: skip
"""What reading a damaged or encrypted archive raises."""


def _damaged(path: Path, why: str) -> BadArchive:
    return BadArchive(
        path,
        f"cannot be read as a folder, zip or tar: it is truncated, damaged or something else "
        f"({why})",
    )


def _no_file(path: Path, name: str) -> BadArchive:
    return BadArchive(
        path,
        f"holds {name!r}, which is a link or a device; pack the files themselves, as "
        f"`tar --dereference --hard-dereference` does",
    )


def _too_long(path: Path, name: str, limit: int) -> BadArchive:
    return BadArchive(
        path,
        f"holds {name!r}, which has more than {limit:,} bytes, the most that is read of one file; "
        f"make it smaller or remove it",
    )
