"""Any images in class folders, or in an archive of class folders."""

from __future__ import annotations

import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Literal

import torch

from lth_bench.data import archives
from lth_bench.data.arrays import Arrays, DatasetInfo, seen_shape
from lth_bench.data.cache import ArrayCache, stamp
from lth_bench.data.headers import MAX_BYTES
from lth_bench.data.image_files import (
    FileImages,
    ImageFiles,
    ImageSummary,
    decoded,
    read_all,
    read_file,
    summarise,
)
from lth_bench.data.pixels import Decoder
from lth_bench.data.root import DataMissing
from lth_bench.data.summary_cache import kept_summary, known_fingerprint
from lth_bench.data.tree import ARCHIVES, Tree, arrange, is_image, list_folder
from lth_bench.errors import UserError
from lth_bench.params import Range
from lth_bench.system.devices import cores


@dataclass(frozen=True, kw_only=True)
class ImageFolder:
    """Images in class folders: a tree, or a zip or tar of one; in suites `image_folder:NAME`.

    The tree is train/CLASS/… beside test/CLASS/… (or val/CLASS/…, as in ImageNet), or CLASS/…
    alone. Images are ordered by class and file name. They are decoded once or, if they do not fit
    in memory, on demand. Other folders beside the two splits are ignored.
    """

    name: str = ""
    """The dataset's name in results; without `path` also its folder or archive."""
    path: str = ""
    """Folder or archive, absolute or relative to the data root; by default `name`, with or
    without an archive's extension."""
    size: Annotated[int, Range(1, 4096)] | None = None
    """Height and width in pixels: images are scaled and centre-cropped to it. By default the
    images' own size, which must be the same for all."""
    resize: Annotated[int, Range(1, 4096)] | None = None
    """Length in pixels to which the shorter side is scaled before the centre crop, at least
    `size`, which is the default; ImageNet's usual evaluation uses size 224 and resize 256."""
    stored: Annotated[int, Range(1, 4096)] | None = None
    """Height and width in pixels that are kept of the scaled images, from `size`, the default, to
    `resize`: a recipe's crops of random size are cut from them. All else uses the middle of `size`
    pixels: the same as without `stored` where `stored` - `size` is divisible by 4, otherwise up to
    a pixel beside it."""
    channels: Literal[1, 3] = 3
    """3 for colour, 1 for greyscale."""
    test_fraction: Annotated[float, Range(0, 1, open_low=True, open_high=True)] = 0.2
    """Fraction of every class used as the test split, if the tree has no splits."""

    def __post_init__(self) -> None:
        if not (self.name or self.path):
            raise ValueError(
                "image_folder needs the folder or archive: write image_folder:NAME for one in the "
                "data root, or path = '...'"
            )
        if self.resize is not None and (self.size is None or self.resize < self.size):
            raise ValueError(
                f"resize is the length of the shorter side before the centre crop, so it "
                f"requires size and must be at least size, but got resize = {self.resize} and "
                f"size = {self.size}"
            )
        if self.stored is not None and not (
            self.size is not None and self.size <= self.stored <= (self.resize or self.size)
        ):
            raise ValueError(
                f"stored must be from size to resize, but got stored = {self.stored}, size = "
                f"{self.size} and resize = {self.resize}"
            )

    def info(self, root: Path) -> DatasetInfo:
        """From the decoded copy if there is one, otherwise from file names and the first image."""
        place = self._place(root)
        known = place.cache.info()
        if known is not None:
            return known
        tree = self._tree(place)
        stored = self._shape(place, tree)
        return DatasetInfo(
            seen_shape(stored, self._seen), len(tree.classes), len(tree.train), len(tree.test),
            stored_shape=stored,
        )  # fmt: skip

    def load(self, root: Path) -> Arrays:
        """DataMissing if the data is not there; UserError naming an unusable image."""
        place = self._place(root)
        return place.cache.get(lambda: self._decode(place))

    def open(self, root: Path) -> ImageFiles:
        """The same images, decoded on demand; only for a folder.

        The first time, every image is read once, so that damaged ones are found before anything
        trains and the validation split and normalisation are the same as in memory. Raises as
        `load` does.
        """
        place = self._place(root)
        if not place.where.is_dir():
            raise UserError(
                f"{place.where} is an archive, but only a folder's images can be read one by one; "
                f"unpack it, then remove the archive or set path to the folder"
            )
        tree = self._tree(place)
        shape = self._shape(place, tree)
        train, test = (
            FileImages(place.where, names, self._decoder, shape)
            for names in (tree.train, tree.test)
        )
        labels = torch.tensor(tree.train_labels), torch.tensor(tree.test_labels)
        parts, classes = (train, labels[0], test, labels[1]), len(tree.classes)

        def read_once() -> ImageSummary:
            count = len(tree.train) + len(tree.test)
            print(f"reading the {count:,} images of {place.where} once", file=sys.stderr)
            return summarise(*parts, classes, threads=cores(), seen=self._seen)

        summary = kept_summary(place.cache, read_once)
        return ImageFiles(*parts, classes=classes, summary=summary, seen=self._seen)

    def fingerprint(self, root: Path) -> str | None:
        """The content's fingerprint, if a decoded copy or a summary of the files has it."""
        cache = self._place(root).cache
        return cache.fingerprint() or known_fingerprint(cache)

    @property
    def _decoder(self) -> Decoder:
        return Decoder(int(self.channels), self.stored or self.size, self.resize or self.size)

    @property
    def _seen(self) -> int | None:
        return self.size if self.stored not in (None, self.size) else None

    def _place(self, root: Path) -> _Place:
        where = self._where(root)
        if where.is_dir():
            listing = list_folder(where)
            tree = arrange(listing.names, self.test_fraction, where, listing.folders)
            pairs = zip(listing.names, listing.stamps, strict=True)
            sources = [str(where.resolve()), *(f"{name} {stamp}" for name, stamp in pairs)]
        else:
            tree, sources = None, [stamp(where)]
        options = {
            "size": self.size, "channels": self.channels, "test_fraction": self.test_fraction,
            "resize": self.resize,
        }  # fmt: skip
        if self._seen is not None:
            options["stored"] = self.stored
        cache = ArrayCache("image_folder", sources, options)
        return _Place(where, tree, cache)

    def _where(self, root: Path) -> Path:
        # joining keeps an absolute path
        base = root / Path(self.path or self.name).expanduser()
        endings = ("",) if self.path else ("", *ARCHIVES)
        for ending in endings:
            place = base.with_name(base.name + ending)
            try:
                if place.exists():
                    return place
            except OSError as error:
                raise UserError(
                    f"dataset 'image_folder': {place} cannot be accessed "
                    f"({error.strerror or error}); make it readable, or name another folder in "
                    f"LTH_BENCH_DATA"
                ) from error
        also = f", also with the endings {' '.join(ARCHIVES)}" if not self.path else ""
        raise DataMissing(
            f"dataset 'image_folder' was not found: looked for {base}{also}. Put the folder or "
            f"archive there, set path, or name the folder that holds it in LTH_BENCH_DATA"
        )

    def _tree(self, place: _Place) -> Tree:
        if place.tree is not None:
            return place.tree
        names = archives.names(place.where, is_image, MAX_BYTES)
        return arrange(names, self.test_fraction, place.where)

    def _shape(self, place: _Place, tree: Tree) -> tuple[int, int, int]:
        """[C, H, W] that all images must have."""
        if self.size is not None:
            side = self.stored or self.size
            return int(self.channels), side, side
        if place.where.is_dir():
            name = tree.train[0]
            content = read_file(place.where, name)
        else:
            names = set(tree.train)
            name, content = next(archives.contents(place.where, names.__contains__, MAX_BYTES))
        channels, height, width = decoded(place.where, name, content, self._decoder).shape
        return channels, height, width

    def _decode(self, place: _Place) -> Arrays:
        tree = self._tree(place)
        shape = self._shape(place, tree)
        train = torch.empty((len(tree.train), *shape), dtype=torch.uint8)
        test = torch.empty((len(tree.test), *shape), dtype=torch.uint8)
        if place.where.is_dir():
            for names, pixels in ((tree.train, train), (tree.test, test)):
                read_all(FileImages(place.where, names, self._decoder, shape), pixels, cores())
        else:
            spot = {name: train[i] for i, name in enumerate(tree.train)}
            spot.update({name: test[i] for i, name in enumerate(tree.test)})
            for name, content in archives.contents(place.where, spot.__contains__, MAX_BYTES):
                spot[name].copy_(decoded(place.where, name, content, self._decoder, shape))
        return Arrays(
            train, torch.tensor(tree.train_labels), test, torch.tensor(tree.test_labels),
            classes=len(tree.classes), seen=self._seen,
        )  # fmt: skip


@dataclass(frozen=True)
class _Place:
    """What is known about the files before any is opened."""

    where: Path
    tree: Tree | None
    """Of a folder; an archive's is worked out where it is needed, since it takes reading it all."""
    cache: ArrayCache
