"""What lies in the artifacts folder, by its name. Links are never followed."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from lth_bench.errors import UserError
from lth_bench.store.paths import Paths

Kind = Literal["training", "partial", "leftover", "lock", "foreign"]

_KEY = r"(?P<key>[0-9a-f]{40})"
_KINDS: tuple[tuple[Kind, bool, str], ...] = (
    ("training", True, _KEY),
    ("partial", True, rf"{_KEY}\.partial"),
    ("leftover", True, rf"\.{_KEY}\.[0-9a-f]{{32}}"),
    ("lock", False, rf"{_KEY}\.lock"),
)
"""Kind, whether it is a folder, and its name."""


@dataclass(frozen=True)
class Artifact:
    """A file or folder directly below `trainings`."""

    path: Path
    kind: Kind
    """`foreign` is what lth-bench did not make, and leaves alone."""
    key: str
    bytes: int


def list_artifacts(paths: Paths) -> Iterator[Artifact]:
    """Everything below `<artifacts>/trainings`; nothing where there is no such folder.

    UserError where one of the two folders is a link: it leads out of the results.
    """
    folder = paths.artifacts / "trainings"
    for place in (paths.artifacts, folder):
        if place.is_symlink():
            raise UserError(
                f"{place} is a link to {os.readlink(place)}; gc stays within the results, and "
                f"removes nothing behind a link"
            )
    if not folder.is_dir():
        return
    with os.scandir(folder) as entries:
        for entry in sorted(entries, key=lambda one: one.name):
            kind, key = _kind(entry)
            yield Artifact(folder / entry.name, kind, key, _size(entry))


def _kind(entry: os.DirEntry[str]) -> tuple[Kind, str]:
    for kind, is_folder, pattern in _KINDS:
        found = re.fullmatch(pattern, entry.name)
        fits = entry.is_dir if is_folder else entry.is_file
        if found is not None and fits(follow_symlinks=False):
            return kind, found["key"]
    return "foreign", ""


def _size(entry: os.DirEntry[str]) -> int:
    if not entry.is_dir(follow_symlinks=False):
        return entry.stat(follow_symlinks=False).st_size
    total = 0
    for folder, _, files in os.walk(entry.path, followlinks=False):
        for name in files:
            try:
                total += os.lstat(os.path.join(folder, name)).st_size
            except FileNotFoundError:  # a run has finished with it in the meantime
                continue
    return total
