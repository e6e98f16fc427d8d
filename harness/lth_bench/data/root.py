"""Where data lies, and the error for data that is not there."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path

from platformdirs import user_cache_path

from lth_bench.errors import UserError


class DataMissing(UserError):
    """Data that cannot be had: what is missing, where it was looked for, how to put it there."""


def data_root() -> Path:
    """`LTH_BENCH_DATA`; else ./data where there is one; else lth-bench's in the user's cache.

    It need not exist. UserError where `LTH_BENCH_DATA` names something that is no folder.
    """
    named = os.environ.get("LTH_BENCH_DATA")
    if named:
        root = Path(named).expanduser()
        try:
            is_file = root.exists() and not root.is_dir()
        except OSError as error:
            raise UserError(
                f"LTH_BENCH_DATA names {named!r}, which cannot be looked at "
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
    """Where a user's decoded data, measured widths and, by default, datasets are kept.

    `LTH_BENCH_CACHE`, or the system's place for caches. It need not exist.
    """
    named = os.environ.get("LTH_BENCH_CACHE")
    return Path(named).expanduser().absolute() if named else user_cache_path("lth-bench")


def offline(environment: Mapping[str, str] = os.environ) -> bool:
    """Whether `LTH_BENCH_OFFLINE` forbids downloads: set, and to neither nothing nor 0."""
    return environment.get("LTH_BENCH_OFFLINE", "") not in ("", "0")


def writable(folder: Path) -> bool:
    """Whether files may be put into a folder, or into the one it would be made in.

    A folder without any write permission is meant to be left alone, by root too.
    """
    try:
        while not folder.exists():
            folder = folder.parent
        return bool(folder.stat().st_mode & 0o222) and os.access(folder, os.W_OK)
    except OSError:  # one that may not even be looked into
        return False
