"""Temporary folders that go with the command, however it is stopped."""

from __future__ import annotations

import atexit
import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from lth_bench.errors import UserError

_held: dict[Path, int] = {}
"""Folders that are in use, and the process that made each: a fork of it must leave them alone."""


@contextmanager
def temporary_folder(prefix: str) -> Iterator[Path]:
    """A folder in the system's place for temporary files, readable by its owner only, until the
    block ends.

    Known before it exists, so that there is no moment at which a signal leaves it behind: what the
    block does not come to remove is removed when the process ends, and by `remove_held` where it
    ends at once. UserError where none can be made.
    """
    try:
        folder = Path(tempfile.gettempdir()).absolute() / f"{prefix}{os.urandom(16).hex()}"
        _held[folder] = os.getpid()
        folder.mkdir(mode=0o700)
    except OSError as error:
        where = os.environ.get("TMPDIR", "the system's place for temporary files")
        raise UserError(
            f"cannot make a folder in {where}: {error.strerror or error}; free some space there, "
            f"or name another place with the environment variable TMPDIR"
        ) from error
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)
        _held.pop(folder, None)


@atexit.register
def remove_held() -> None:
    """Remove this process's temporary folders that are still there."""
    for folder, process in list(_held.items()):
        if process == os.getpid():
            shutil.rmtree(folder, ignore_errors=True)
            _held.pop(folder, None)
