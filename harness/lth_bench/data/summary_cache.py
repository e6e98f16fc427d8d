"""Summaries of datasets kept on disk, so that later runs need not read every image first."""

from __future__ import annotations

import contextlib
import json
import os
import warnings
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path

from filelock import FileLock

from lth_bench.data.cache import ArrayCache
from lth_bench.data.image_files import Summary
from lth_bench.data.root import writable


def kept_summary(cache: ArrayCache, make: Callable[[], Summary]) -> Summary:
    """The summary kept where decoded arrays would be, or what `make` returns, which is then kept.

    It belongs to the same files and options. Processes that ask at the same time make it once.
    Where nothing can be written, a warning says so and the next process makes it again.
    """
    files = _files(cache)
    found = _read(files)
    if found is not None:
        return found
    place = next((file for file in files if writable(file.parent)), None)
    if place is None:
        return _unkept(make(), f"neither {' nor '.join(str(f.parent) for f in files)} can be")
    try:
        place.parent.mkdir(parents=True, exist_ok=True)
        lock = FileLock(place.with_suffix(".lock"))
        lock.acquire()
    except OSError as error:
        return _unkept(make(), f"{place.parent}: {error}")
    try:
        return _read(files) or _keep(place, make())
    finally:
        lock.release()


def known_fingerprint(cache: ArrayCache) -> str | None:
    """The fingerprint in a kept summary, or None."""
    found = _read(_files(cache))
    return None if found is None else found.fingerprint


def _files(cache: ArrayCache) -> list[Path]:
    return [folder / f"{cache.name}.summary.json" for folder in cache.folders]


def _read(files: list[Path]) -> Summary | None:
    for file in files:
        # a damaged one can be made again
        with contextlib.suppress(OSError, ValueError, TypeError):
            return Summary(**json.loads(file.read_text()))
    return None


def _keep(file: Path, summary: Summary) -> Summary:
    part = file.with_suffix(".part")  # one writer: the lock is held
    try:
        part.write_text(json.dumps(asdict(summary)))
        os.replace(part, file)
    except OSError as error:
        part.unlink(missing_ok=True)
        return _unkept(summary, f"{file.parent}: {error}")
    return summary


def _unkept(summary: Summary, reason: str) -> Summary:
    warnings.warn(
        f"what was learnt by reading every image could not be kept, so every process reads them "
        f"all again: {reason} written to",
        stacklevel=2,
    )
    return summary
