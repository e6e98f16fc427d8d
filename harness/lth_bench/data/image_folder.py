"""Any images that lie in class folders, or in an archive of class folders."""

from __future__ import annotations

import io
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Literal

import numpy as np
import torch
from PIL import Image, ImageOps
from torch import Tensor

from lth_bench.data.arrays import Arrays, DatasetInfo
from lth_bench.data.cache import ArrayCache, stamp
from lth_bench.data.root import DataMissing
from lth_bench.data.tree import ARCHIVES, Tree, arrange, image_names, read_images
from lth_bench.errors import UserError
from lth_bench.params import Range


@dataclass(frozen=True)
class ImageFolder:
    """Images in class folders: a tree, or a zip or tar of one; suites write `image_folder:NAME`.

    The tree is train/CLASS/… beside test/CLASS/…, or CLASS/… alone. Images are ordered by class and
    file name, and decoded once. Other folders beside train and test are not read.
    """

    name: str = ""
    """The dataset's name wherever a result is shown; without `path` also its folder or archive."""
    path: str = ""
    """Folder or archive, absolute or below the data root; by default `name`, with or without an
    archive's ending."""
    size: Annotated[int, Range(1, 4096)] | None = None
    """Height and width in pixels: others are scaled and cut to the middle. By default the images'
    own, which must all be equal."""
    channels: Literal[1, 3] = 3
    """3 for colour, 1 for grey."""
    test_fraction: Annotated[float, Range(0, 1, open_low=True, open_high=True)] = 0.2
    """Part of every class that becomes the test split, where the tree does not divide them."""

    def __post_init__(self) -> None:
        if not (self.name or self.path):
            raise ValueError(
                "image_folder needs the folder or archive: write image_folder:NAME for one in the "
                "data root, or path = '...'"
            )

    def info(self, root: Path) -> DatasetInfo:
        """From the decoded copy where there is one, otherwise from names and the first image."""
        where = self._where(root)
        known = self._cache(root, where).info()
        if known is not None:
            return known
        tree = self._arrange(where, image_names(where))
        height, width = self._shape(where, set(tree.train))
        shape = (int(self.channels), height, width)
        return DatasetInfo(shape, len(tree.classes), len(tree.train), len(tree.test))

    def load(self, root: Path) -> Arrays:
        """Raises DataMissing where it is not, UserError naming an image that cannot be used."""
        where = self._where(root)
        return self._cache(root, where).get(lambda: self._decode(where))

    def _where(self, root: Path) -> Path:
        # an absolute path stays as it is
        base = root / Path(self.path or self.name).expanduser()
        endings = ("",) if self.path else ("", *ARCHIVES)
        for ending in endings:
            place = base.with_name(base.name + ending)
            if place.exists():
                return place
        also = f", also with the endings {' '.join(ARCHIVES)}" if not self.path else ""
        raise DataMissing(
            f"dataset 'image_folder' is not there: looked for {base}{also}. Put the folder or "
            f"archive there, set path, or name the folder that holds it in LTH_BENCH_DATA"
        )

    def _cache(self, root: Path, where: Path) -> ArrayCache:
        if where.is_dir():
            sources = [stamp(where / name, name) for name in image_names(where)]
        else:
            sources = [stamp(where)]
        options = {
            "size": self.size, "channels": self.channels, "test_fraction": self.test_fraction,
        }  # fmt: skip
        return ArrayCache("image_folder", root, sources, options)

    def _arrange(self, where: Path, names: Sequence[str]) -> Tree:
        return arrange(names, self.test_fraction, where)

    def _shape(self, where: Path, names: set[str]) -> tuple[int, int]:
        """Height and width that all images shall have."""
        if self.size is not None:
            return self.size, self.size
        name, content = next((n, c) for n, c in read_images(where) if n in names)
        pixels = self._pixels(where, name, content)
        return pixels.shape[0], pixels.shape[1]

    def _decode(self, where: Path) -> Arrays:
        tree = self._arrange(where, image_names(where))
        height, width = self._shape(where, set(tree.train))
        # pixels as they are decoded, [N, H, W, C]
        train = np.empty((len(tree.train), height, width, self.channels), np.uint8)
        test = np.empty((len(tree.test), height, width, self.channels), np.uint8)
        place = {name: train[i] for i, name in enumerate(tree.train)}
        place.update({name: test[i] for i, name in enumerate(tree.test)})
        for name, content in read_images(where):
            if name in place:
                pixels = self._pixels(where, name, content)
                if pixels.shape != place[name].shape:
                    raise UserError(
                        f"{where}: images must all be of one size, but {name!r} has "
                        f"{pixels.shape[0]}×{pixels.shape[1]} pixels and another "
                        f"{height}×{width}; set size to scale them"
                    )
                place[name][:] = pixels
        return Arrays(
            _channels_first(train), torch.tensor(tree.train_labels),
            _channels_first(test), torch.tensor(tree.test_labels), len(tree.classes),
        )  # fmt: skip

    def _pixels(self, where: Path, name: str, content: bytes) -> np.ndarray:
        """uint8 [H, W, C]."""
        try:
            with Image.open(io.BytesIO(content)) as opened:
                image: Image.Image = opened.convert("RGB" if self.channels == 3 else "L")
        except Exception as error:  # a damaged image raises anything
            raise UserError(
                f"{where}: {name!r} is truncated or no image ({error}); remove or replace it"
            ) from error
        if self.size is not None and image.size != (self.size, self.size):
            image = ImageOps.fit(image, (self.size, self.size), Image.Resampling.BILINEAR)
        return np.asarray(image).reshape(image.height, image.width, int(self.channels))


def _channels_first(images: np.ndarray) -> Tensor:
    """[N, H, W, C] to [N, C, H, W], contiguous."""
    return torch.from_numpy(np.ascontiguousarray(images.transpose(0, 3, 1, 2)))
