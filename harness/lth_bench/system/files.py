"""Reading files that a stranger may have put there: regular ones, and no more than fits."""

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
"""Bytes of a file of ours that is JSON, at most."""


class NotRegular(OSError):
    """In place of a file there is something else, which could block for ever or never end."""


class TooLong(OSError):
    """A file is longer than anything of its kind."""


def open_regular(path: str | Path) -> BinaryIO:
    """A file for reading; links are followed. NotRegular for a FIFO, a device, a socket, a folder.

    OSError as `open` raises it.
    """
    return os.fdopen(_descriptor(path)[0], "rb")


def read_regular(path: str | Path, limit: int) -> bytes:
    """A file's content. NotRegular as `open_regular`; TooLong beyond `limit` bytes.

    Takes no longer than `open(path, "rb").read()`.
    """
    descriptor, size = _descriptor(path)
    pieces, length = [], 0
    try:
        # a file of /proc says that it is empty, and may go on without end
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
    """A JSON file's document. OSError as `read_regular`, ValueError for what is no JSON."""
    try:
        return json.loads(read_regular(path, limit))
    except RecursionError as error:
        raise ValueError("it is nested too deeply") from error


def _descriptor(path: str | Path) -> tuple[int, int]:
    """Of the opened file, and its size."""
    # looked at first, since to open some devices is to make them do something; opened without
    # waiting, since opening a FIFO waits for a writer, and the two may have been exchanged since
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
