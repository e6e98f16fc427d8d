"""Images by class, in a folder or an archive: which file is in which split and class."""

from __future__ import annotations

import lzma
import os
import tarfile
import zipfile
import zlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

import torch

from lth_bench.data.splits import split
from lth_bench.errors import UserError

IMAGES = frozenset((".jpg", ".jpeg", ".png", ".bmp", ".pgm", ".ppm", ".tif", ".tiff", ".webp"))
SPLITS = ("train", "test")
ARCHIVES = (".zip", ".tar", ".tar.gz", ".tgz", ".tar.xz", ".txz", ".tar.bz2", ".tbz2")


@dataclass(frozen=True)
class Tree:
    """Where each image belongs. Images are ordered by class, then by file name."""

    classes: tuple[str, ...]
    """Sorted."""
    train: tuple[str, ...]
    """Names within the folder or archive, in order."""
    test: tuple[str, ...]
    train_labels: tuple[int, ...]
    """Index into `classes`."""
    test_labels: tuple[int, ...]


def read_images(path: Path) -> Iterator[tuple[str, bytes]]:
    """Name and content of each image file in a folder, zip or tar; an archive is never unpacked.

    In the folder's or archive's own order. UserError where the archive is damaged.
    """
    if path.is_dir():
        for name in image_names(path):
            yield name, (path / name).read_bytes()
        return
    try:
        if zipfile.is_zipfile(path):
            with zipfile.ZipFile(path) as packed:
                for entry in packed.infolist():
                    if not entry.is_dir() and _is_image(entry.filename):
                        yield entry.filename, packed.read(entry)
        else:
            # as a stream: a compressed tar has no other order than its own
            with tarfile.open(path, "r|*") as opened:
                for member in opened:
                    content = opened.extractfile(member) if _is_image(member.name) else None
                    if content is not None:
                        yield member.name, content.read()
    except _DAMAGED as error:
        raise _damaged(path, error) from error


def image_names(path: Path) -> list[str]:
    """The image files in a folder, zip or tar, sorted, with / between folders."""
    try:
        if path.is_dir():
            names = [
                (Path(folder) / file).relative_to(path).as_posix()
                for folder, _, files in os.walk(path, followlinks=True)
                for file in files
            ]
        elif zipfile.is_zipfile(path):
            with zipfile.ZipFile(path) as packed:
                names = [entry.filename for entry in packed.infolist() if not entry.is_dir()]
        else:
            with tarfile.open(path, "r|*") as opened:
                names = [member.name for member in opened if member.isfile()]
    except _DAMAGED as error:
        raise _damaged(path, error) from error
    return sorted(filter(_is_image, names))


def arrange(names: Sequence[str], test_fraction: float, where: Path) -> Tree:
    """The split and class of each image, from its name.

    Either train/CLASS/… beside test/CLASS/…, or CLASS/… alone, of which `test_fraction`, the same
    of every class, becomes the test split: a fixed choice for these names. Folders that everything
    lies in are passed over, and so is what lies beside train and test.
    """
    paths = {name: _inner(PurePosixPath(name).parts) for name in names}
    while _wrapped(paths):
        paths = {name: p[1:] for name, p in paths.items()}
    if not paths:
        raise UserError(f"{where} holds no image ({', '.join(sorted(IMAGES))})")
    tops = {p[0] for p in paths.values() if len(p) > 1}
    if "train" in tops and "test" in tops:
        return _given(paths, where)
    if "train" in tops or "test" in tops:
        only = "train" if "train" in tops else "test"
        raise UserError(
            f"{where} holds {only}/ but no {'test' if only == 'train' else 'train'}/ beside it; "
            f"put train/CLASS/… and test/CLASS/… there, or CLASS/… alone"
        )
    return _divided(paths, test_fraction, where)


def _wrapped(paths: dict[str, tuple[str, ...]]) -> bool:
    """Whether everything lies in one folder that is neither a class nor a split."""
    tops = {p[0] for p in paths.values()}
    return len(tops) == 1 and tops.isdisjoint(SPLITS) and min(map(len, paths.values())) > 2


def _given(paths: dict[str, tuple[str, ...]], where: Path) -> Tree:
    parts = {part: {n: p[1:] for n, p in paths.items() if p[0] == part} for part in SPLITS}
    classes = _classes(parts["train"], where)
    strange = sorted({p[0] for p in parts["test"].values()} - set(classes))
    if strange:
        raise UserError(
            f"{where}: test/ holds a class that train/ does not: {', '.join(strange[:5])}"
        )
    train, test = (sorted(parts[part], key=parts[part].__getitem__) for part in SPLITS)
    return Tree(
        classes, tuple(train), tuple(test),
        tuple(classes.index(parts["train"][n][0]) for n in train),
        tuple(classes.index(parts["test"][n][0]) for n in test),
    )  # fmt: skip


def _divided(paths: dict[str, tuple[str, ...]], test_fraction: float, where: Path) -> Tree:
    classes = _classes(paths, where)
    names = sorted(paths, key=paths.__getitem__)
    labels = [classes.index(paths[name][0]) for name in names]
    size = round(test_fraction * len(names))
    if not 0 < size < len(names):
        raise UserError(
            f"{where}: test_fraction = {test_fraction:g} of {len(names)} images leaves one of the "
            f"splits empty"
        )
    # the names, not where they lie: a copy of the tree is split alike
    purpose = "\n".join("/".join(paths[name]) for name in names)
    train, test = (i.tolist() for i in split(len(names), torch.tensor(labels), size, purpose))
    return Tree(
        classes, tuple(names[i] for i in train), tuple(names[i] for i in test),
        tuple(labels[i] for i in train), tuple(labels[i] for i in test),
    )  # fmt: skip


def _classes(paths: dict[str, tuple[str, ...]], where: Path) -> tuple[str, ...]:
    stray = sorted(name for name, p in paths.items() if len(p) < 2)
    if stray:
        raise UserError(
            f"{where}: the image {stray[0]!r} lies in no class folder; put train/CLASS/… and "
            f"test/CLASS/… there, or CLASS/… alone"
        )
    classes = tuple(sorted({p[0] for p in paths.values()}))
    if len(classes) < 2:
        raise UserError(f"{where} holds one class only: {classes[0]!r}")
    return classes


def _inner(parts: tuple[str, ...]) -> tuple[str, ...]:
    """Without the ./ that some archives begin their names with."""
    return tuple(part for part in parts if part != ".")


def _is_image(name: str) -> bool:
    path = PurePosixPath(name)
    # what macOS puts beside every file
    hidden = any(part.startswith(".") and part != "." for part in path.parts)
    return path.suffix.lower() in IMAGES and not hidden and "__MACOSX" not in path.parts


_DAMAGED = (
    tarfile.TarError, zipfile.BadZipFile, lzma.LZMAError, zlib.error, EOFError, OSError,
    NotImplementedError, RuntimeError,
)  # fmt: skip
"""What reading a damaged or encrypted archive raises."""


def _damaged(path: Path, error: Exception) -> UserError:
    return UserError(
        f"{path} cannot be read as a folder, zip or tar of images: it is truncated, damaged or "
        f"something else ({error})"
    )
