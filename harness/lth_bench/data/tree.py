"""Images by class, in a folder or an archive: each file's split and class."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import torch

from lth_bench.data.splits import split
from lth_bench.errors import UserError
from lth_bench.system.files import require_regular

IMAGES = frozenset((".jpg", ".jpeg", ".png", ".bmp", ".pgm", ".ppm", ".tif", ".tiff", ".webp"))
SPLITS = ("train", "test")
HELD_OUT = ("test", "val", "validation")
"""Folders beside train/ that can be the test split, in order of preference."""
MOST_LINKS = 30
"""Maximum number of paths to one folder through links; Linux follows at most 40 links in a path."""
MOST_FOLDERS = 100
"""Maximum nesting depth; an archive could have thousands of levels, each of which takes a pass
over all names."""
ARCHIVES = (".zip", ".tar", ".tar.gz", ".tgz", ".tar.xz", ".txz", ".tar.bz2", ".tbz2")


@dataclass(frozen=True, kw_only=True)
class Tree:
    """Each image's split and class. Images are ordered by class, then by file name."""

    classes: tuple[str, ...]
    """Sorted."""
    train: tuple[str, ...]
    """Names within the folder or archive, in order."""
    test: tuple[str, ...]
    train_labels: tuple[int, ...]
    """Index into `classes`."""
    test_labels: tuple[int, ...]


@dataclass(frozen=True)
class Listing:
    """The contents of a folder; names are relative to it, sorted, with / as separator."""

    names: tuple[str, ...]
    """The image files."""
    stamps: tuple[str, ...]
    """Size in bytes and modification time in nanoseconds of each."""
    folders: tuple[str, ...]
    """All folders that are not hidden, including empty ones."""


def list_folder(folder: Path) -> Listing:
    """The images below a folder, following links. UserError if it cannot be read.

    Uses plain strings: a million files take seconds, but half a minute with `Path`.
    """
    found, folders, todo = [], [], [("", str(folder))]
    seen: Counter[tuple[int, int]] = Counter()
    try:
        while todo:
            prefix, place = todo.pop()
            _require_end(seen, place, folder)
            with os.scandir(place) as entries:
                for entry in entries:
                    name = prefix + entry.name
                    if _is_hidden(entry.name):
                        continue
                    if entry.is_dir():
                        todo.append((f"{name}/", entry.path))
                        folders.append(name)
                    elif is_image(name):
                        status = entry.stat()  # raises for a dangling link
                        require_regular(entry.path, status)
                        found.append((name, f"{status.st_size} {status.st_mtime_ns}"))
    except OSError as error:
        raise UserError(
            f"{error.filename or folder} cannot be read ({error.strerror or error}); make it "
            f"readable, put the file there that a link names, or remove it"
        ) from error
    found.sort()
    return Listing(
        tuple(name for name, _ in found), tuple(stamp for _, stamp in found),
        tuple(sorted(folders)),
    )  # fmt: skip


def _require_end(seen: Counter[tuple[int, int]], place: str, folder: Path) -> None:
    """UserError if links to folders form a loop."""
    status = os.stat(place)
    one = (status.st_dev, status.st_ino)
    seen[one] += 1
    if seen[one] > MOST_LINKS:
        raise UserError(
            f"{folder}: links lead to the folder {place!r} more than {MOST_LINKS} times; remove "
            f"those that lead back to a folder they lie in"
        )


def arrange(
    names: Sequence[str], test_fraction: float, where: Path, folders: Sequence[str] = ()
) -> Tree:
    """The split and class of each image, from its name.

    Either train/CLASS/… beside test/CLASS/…, or CLASS/… alone, of which `test_fraction` of every
    class becomes the test split: a fixed choice for these names. If test/ has no classes, val/ or
    validation/ is the test split, as in ImageNet, whose test images have no public labels. Folders
    that contain everything are skipped, and anything beside the two splits is ignored. `folders`
    are all existing folders, so that a class without images is an error instead of silently
    missing.
    """
    paths = {name: _inner(name) for name in names}
    deepest = max(paths, key=lambda name: len(paths[name]), default="")
    if deepest and len(paths[deepest]) > MOST_FOLDERS:
        raise UserError(
            f"{where}: {deepest[:200]!r} lies in {len(paths[deepest]) - 1:,} folders within each "
            f"other; put train/CLASS/… and test/CLASS/… there, or CLASS/… alone"
        )
    above: tuple[str, ...] = ()
    while _wrapped(paths):
        above += next(iter(paths.values()))[:1]
        paths = {name: p[1:] for name, p in paths.items()}
    if not paths:
        raise UserError(f"{where} contains no images ({', '.join(sorted(IMAGES))})")
    depth = len(above)
    inside = [f[depth:] for f in map(_inner, folders) if f[:depth] == above and len(f) > depth]
    tops = {p[0] for p in paths.values() if len(p) > 1}
    held_out = _held_out(paths, tops)
    if "train" in tops and held_out is not None:
        return _given(paths, held_out, inside, where)
    if "train" in tops or "test" in tops:
        only = "train" if "train" in tops else "test"
        raise UserError(
            f"{where} holds {only}/ but no {'test' if only == 'train' else 'train'}/ beside it; "
            f"put train/CLASS/… and test/CLASS/… there, or CLASS/… alone"
        )
    return _divided(paths, test_fraction, inside, where)


Parts = tuple[str, ...]
"""A name's folders and file."""


def _held_out(paths: dict[str, Parts], tops: set[str]) -> str | None:
    """The folder beside train/ that is the test split."""
    with_classes = {p[0] for p in paths.values() if len(p) > 2}
    found = next((name for name in HELD_OUT if name in with_classes), None)
    # without classes: a later check raises the error
    return found or ("test" if "test" in tops else None)


def _wrapped(paths: dict[str, Parts]) -> bool:
    """Whether everything is in one folder that is neither a class nor a split."""
    tops = {p[0] for p in paths.values()}
    return len(tops) == 1 and tops.isdisjoint(SPLITS) and min(map(len, paths.values())) > 2


def _given(paths: dict[str, Parts], held_out: str, folders: Sequence[Parts], where: Path) -> Tree:
    parts = {part: {n: p[1:] for n, p in paths.items() if p[0] == part}
             for part in ("train", held_out)}  # fmt: skip
    for part, held in parts.items():
        inside = [f[1:] for f in folders if f[0] == part]
        _require_filled(held, inside, where / part)
    classes = _classes(parts["train"], where)
    strange = sorted({p[0] for p in parts[held_out].values()} - classes.keys())
    if strange:
        raise UserError(
            f"{where}: {held_out}/ holds a class that train/ does not: {', '.join(strange[:5])}"
        )
    train, test = (sorted(held, key=held.__getitem__) for held in parts.values())
    return Tree(
        classes=tuple(classes), train=tuple(train), test=tuple(test),
        train_labels=tuple(classes[parts["train"][n][0]] for n in train),
        test_labels=tuple(classes[parts[held_out][n][0]] for n in test),
    )  # fmt: skip


def _divided(
    paths: dict[str, Parts], test_fraction: float, folders: Sequence[Parts], where: Path
) -> Tree:
    _require_filled(paths, folders, where)
    classes = _classes(paths, where)
    names = sorted(paths, key=paths.__getitem__)
    labels = [classes[paths[name][0]] for name in names]
    size = round(test_fraction * len(names))
    if not 0 < size < len(names):
        raise UserError(
            f"{where}: test_fraction = {test_fraction:g} of {len(names)} images leaves one of the "
            f"splits empty"
        )
    # by name, not by location: a copy of the tree is split the same way
    purpose = "\n".join("/".join(paths[name]) for name in names)
    train, test = (i.tolist() for i in split(len(names), torch.tensor(labels), size, purpose))
    return Tree(
        classes=tuple(classes),
        train=tuple(names[i] for i in train),
        test=tuple(names[i] for i in test),
        train_labels=tuple(labels[i] for i in train),
        test_labels=tuple(labels[i] for i in test),
    )


def _require_filled(paths: dict[str, Parts], folders: Sequence[Parts], where: Path) -> None:
    filled = {p[0] for p in paths.values()}
    empty = sorted({f[0] for f in folders if len(f) == 1} - filled)
    if empty:
        raise UserError(
            f"{where}: the class folder {empty[0]!r} contains no images "
            f"({', '.join(sorted(IMAGES))}); fill it or remove it"
        )


def _classes(paths: dict[str, Parts], where: Path) -> dict[str, int]:
    """Each class and its label, in order."""
    stray = sorted(name for name, p in paths.items() if len(p) < 2)
    if stray:
        raise UserError(
            f"{where}: the image {stray[0]!r} is not in a class folder; put train/CLASS/… and "
            f"test/CLASS/… there, or CLASS/… alone"
        )
    classes = sorted({p[0] for p in paths.values()})
    if len(classes) < 2:
        raise UserError(f"{where} contains only one class: {classes[0]!r}")
    return {name: label for label, name in enumerate(classes)}


def _inner(name: str) -> Parts:
    """A name's parts, without the leading ./ of some archives."""
    return tuple(part for part in name.split("/") if part not in ("", "."))


def is_image(name: str) -> bool:
    """Whether a file name, with / as separator, is that of an image."""
    return os.path.splitext(name)[1].lower() in IMAGES and not _is_hidden(name)


def _is_hidden(name: str) -> bool:
    """Hidden, or one of macOS's companion files."""
    if "/." not in name and not name.startswith(".") and "__MACOSX" not in name:
        return False
    parts = _inner(name)
    return any(part.startswith(".") for part in parts) or "__MACOSX" in parts
