"""Where data is stored, and the error for missing data."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path

from platformdirs import user_cache_path

from lth_bench.errors import UserError


class DataMissing(UserError):
    """Data that is not available: what is missing, where it was looked for, how to provide it."""


def data_root() -> Path:
    """`LTH_BENCH_DATA`; else ./data if it exists; else lth-bench's folder in the user's cache.

    It need not exist. UserError if `LTH_BENCH_DATA` is not a folder.
    """
    named = os.environ.get("LTH_BENCH_DATA")
    if named:
        root = Path(named).expanduser()
        try:
            is_file = root.exists() and not root.is_dir()
        except OSError as error:
            raise UserError(
                f"LTH_BENCH_DATA names {named!r}, which cannot be accessed "
                f"({error.strerror or error}); make it readable, or name another folder"
            ) from error
        if is_file:
            raise UserError(
                f"LTH_BENCH_DATA must name a folder, but {named!r} is a file; set it to the folder "
                f"that holds it"
            )
        return root
    local = Path("data")
    return local if local.is_dir() else user_cache() / "data"


def user_cache() -> Path:
    """Where a user's decoded data, measured cohort sizes and, by default, datasets are stored.

    `LTH_BENCH_CACHE`, or the system's cache folder. It need not exist.
    """
    named = os.environ.get("LTH_BENCH_CACHE")
    return Path(named).expanduser().absolute() if named else user_cache_path("lth-bench")


def offline(environment: Mapping[str, str] = os.environ) -> bool:
    """Whether `LTH_BENCH_OFFLINE` forbids downloads: set to anything but "" or 0."""
    return environment.get("LTH_BENCH_OFFLINE", "") not in ("", "0")


def writable(folder: Path) -> bool:
    """Whether files can be created in a folder, or in the folder that it would be created in.

    A folder without any write permission is respected, even as root.
    """
    try:
        while not folder.exists():
            folder = folder.parent
        return bool(folder.stat().st_mode & 0o222) and os.access(folder, os.W_OK)
    except OSError:  # not even readable
        return False
