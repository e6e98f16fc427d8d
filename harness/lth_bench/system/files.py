"""Safe reading of untrusted files: regular files only, up to a maximum size."""

from __future__ import annotations

import errno
import json
import os
import stat
from pathlib import Path
from typing import Any, BinaryIO

FLAGS = os.O_RDONLY | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_BINARY", 0)
KINDS = {
    stat.S_IFIFO: "a FIFO",
    stat.S_IFCHR: "a device",
    stat.S_IFBLK: "a device",
    stat.S_IFSOCK: "a socket",
    stat.S_IFDIR: "a folder",
}

MOST_JSON = 1 << 27
"""Maximum bytes of one of our own JSON files."""


class NotRegular(OSError):
    """Not a regular file: reading it could block or never end."""


class TooLong(OSError):
    """A file longer than any of its kind."""


def open_regular(path: str | Path) -> BinaryIO:
    """Open a file for reading, following links. NotRegular for a FIFO, device, socket or folder;
    otherwise OSError as from `open`.
    """
    return os.fdopen(_descriptor(path)[0], "rb")


def read_regular(path: str | Path, limit: int) -> bytes:
    """A file's content. NotRegular as from `open_regular`; TooLong beyond `limit` bytes.

    As fast as `open(path, "rb").read()`.
    """
    descriptor, size = _descriptor(path)
    pieces, length = [], 0
    try:
        # a file in /proc claims to be empty but may be endless
        while length <= limit and size <= limit:
            piece = os.read(descriptor, max(size - length, 1 << 16))
            pieces.append(piece)
            length += len(piece)
            if not piece or length == size:
                break
    finally:
        os.close(descriptor)
    if max(size, length) > limit:
        raise TooLong(errno.EINVAL, f"it is longer than {limit:,} bytes", str(path))
    return pieces[0] if len(pieces) == 1 else b"".join(pieces)


def read_json(path: str | Path, limit: int = MOST_JSON) -> Any:
    """The content of a JSON file. OSError as from `read_regular`, ValueError for invalid JSON."""
    try:
        return json.loads(read_regular(path, limit))
    except RecursionError as error:
        raise ValueError("it is nested too deeply") from error


def _descriptor(path: str | Path) -> tuple[int, int]:
    """A descriptor of the opened file, and its size."""
    # checked first, since opening a device can have side effects; then opened without blocking,
    # since opening a FIFO waits for a writer, and the file may have been replaced since
    require_regular(path, os.stat(path))
    descriptor = os.open(path, FLAGS)
    try:
        status = os.fstat(descriptor)
        require_regular(path, status)
    except OSError:
        os.close(descriptor)
        raise
    return descriptor, status.st_size


def require_regular(path: str | Path, status: os.stat_result) -> None:
    """NotRegular unless the status is a regular file's."""
    if not stat.S_ISREG(status.st_mode):
        kind = KINDS.get(stat.S_IFMT(status.st_mode), "something else")
        raise NotRegular(errno.EINVAL, f"it is {kind}, not a regular file", str(path))
