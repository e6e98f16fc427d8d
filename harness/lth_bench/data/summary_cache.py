"""Dataset summaries cached on disk, so that later runs need not read every image first."""

from __future__ import annotations

import contextlib
import json
import os
import warnings
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path

from lth_bench.data.cache import ArrayCache
from lth_bench.data.image_files import ImageSummary
from lth_bench.system.files import read_json


def kept_summary(cache: ArrayCache, make: Callable[[], ImageSummary]) -> ImageSummary:
    """The cached summary, or the result of `make`, which is then stored.

    It belongs to the same files and options as a decoded copy. Concurrent processes make it only
    once. If nothing can be written, a warning says so and the next process makes it again.
    """
    file = _file(cache)
    found = _read(file)
    if found is not None:
        return found
    try:
        lock = cache.lock(file.stem)
    except OSError as error:
        return _unkept(make(), file, error)
    try:
        return _read(file) or _keep(file, make())
    finally:
        lock.release()


def known_fingerprint(cache: ArrayCache) -> str | None:
    """The fingerprint in a cached summary, or None."""
    found = _read(_file(cache))
    return None if found is None else found.fingerprint


def _file(cache: ArrayCache) -> Path:
    return cache.folder / f"{cache.name}.summary.json"


def _read(file: Path) -> ImageSummary | None:
    # a damaged summary is made again
    with contextlib.suppress(OSError, ValueError, TypeError):
        return ImageSummary(**read_json(file))
    return None


def _keep(file: Path, summary: ImageSummary) -> ImageSummary:
    part = file.with_suffix(".part")  # one writer: the lock is held
    try:
        part.write_text(json.dumps(asdict(summary)))
        os.replace(part, file)
    except OSError as error:
        part.unlink(missing_ok=True)
        return _unkept(summary, file, error)
    return summary


def _unkept(summary: ImageSummary, file: Path, error: OSError) -> ImageSummary:
    warnings.warn(
        f"the summary of a dataset could not be stored in {file.parent}, so every process reads "
        "all "
        f"images again: {error.strerror or error}; set LTH_BENCH_CACHE to use another "
        f"place",
        stacklevel=2,
    )
    return summary
