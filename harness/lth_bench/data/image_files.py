"""A dataset whose images stay on disk, each decoded on demand."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import KW_ONLY, dataclass
from pathlib import Path
from threading import Lock

import torch
from torch import Tensor

from lth_bench.data.arrays import DatasetInfo, Fingerprint, kind_of_images, seen_shape
from lth_bench.data.headers import MAX_BYTES, NotDecoded
from lth_bench.data.pixels import Decoder
from lth_bench.data.reading import CHUNK, ImageReader, Images, Stream
from lth_bench.data.splits import count_values
from lth_bench.errors import UserError
from lth_bench.system.files import read_regular


@dataclass(frozen=True)
class FileImages:
    """The images of one split, in files below a folder."""

    folder: Path
    names: tuple[str, ...]
    decoder: Decoder
    image_shape: tuple[int, int, int]
    """[C, H, W], which every decoded image must have."""

    @property
    def shape(self) -> tuple[int, int, int, int]:
        """[N, C, H, W]."""
        return (len(self.names), *self.image_shape)

    def read(self, index: Tensor, out: Tensor) -> None:
        """Decode the images at `index` into `out`. UserError names an unusable one."""
        for place, i in zip(out, index.tolist(), strict=True):
            place.copy_(self._pixels(self.names[i]))

    def _pixels(self, name: str) -> Tensor:
        content = read_file(self.folder, name)
        return decoded(self.folder, name, content, self.decoder, self.image_shape)


def read_file(folder: Path, name: str) -> bytes:
    """An image file's content. UserError if it cannot be read."""
    try:
        return read_regular(f"{folder}/{name}", MAX_BYTES)
    except OSError as error:
        raise UserError(
            f"{folder}: {name!r} cannot be read ({error.strerror or error}); remove or replace it"
        ) from error


def decoded(
    where: Path,
    name: str,
    content: bytes,
    decoder: Decoder,
    shape: tuple[int, int, int] | None = None,
) -> Tensor:
    """An image's pixels, uint8 [C, H, W]. UserError if it cannot be decoded or has
    another shape.
    """
    try:
        pixels = decoder(content)
    except NotDecoded as error:
        raise UserError(
            f"{where}: {name!r} is truncated or not an image ({error}); remove or replace it"
        ) from error
    if shape is not None and pixels.shape != shape:
        _, height, width = pixels.shape
        raise UserError(
            f"{where}: images must all have the same size, but {name!r} has {height}×{width} "
            "pixels "
            f"and another {shape[1]}×{shape[2]}; set size to scale them"
        )
    return pixels


def read_all(images: Images, out: Tensor, threads: int) -> None:
    """Read every image of a split into `out`, uint8 [N, C, H, W]."""
    reader = ImageReader(threads)
    try:
        for start, pixels in zip(range(0, len(out), CHUNK), _in_order(reader, images), strict=True):
            out[start : start + len(pixels)].copy_(pixels)
    finally:
        reader.close()


@dataclass(frozen=True)
class ImageSummary:
    """What one pass over all images finds, so that they need not be kept in memory."""

    fingerprint: str
    """The same as that of the decoded arrays."""
    counts: list[list[int]]
    """[C][256]: occurrences of each pixel value in the training split."""


@dataclass(frozen=True, eq=False)
class ImageFiles:
    """The training and test splits on disk: what `Arrays` is in memory."""

    train: FileImages
    train_y: Tensor
    """int64 [N]."""
    test: FileImages
    test_y: Tensor
    _: KW_ONLY
    classes: int
    summary: ImageSummary
    seen: int | None = None
    """Height and width of the middle of images that networks see; None for the whole."""

    @property
    def info(self) -> DatasetInfo:
        """The dataset's sizes."""
        stored = self.train.image_shape
        return DatasetInfo(
            seen_shape(stored, self.seen), self.classes, len(self.train_y), len(self.test_y),
            stored_shape=stored,
        )  # fmt: skip

    def fingerprint(self) -> str:
        """Equals that of the decoded arrays, so that both find each other's trainings."""
        return self.summary.fingerprint

    def counts(self) -> Tensor:
        """Occurrences of each pixel value in the training split, int64 [C, 256]."""
        return torch.tensor(self.summary.counts)


def summarise(
    train: FileImages,
    train_y: Tensor,
    test: FileImages,
    test_y: Tensor,
    classes: int,
    *,
    threads: int,
    seen: int | None = None,
) -> ImageSummary:
    """Decode every image once, a few at a time. UserError names an unusable one."""
    marks = Fingerprint(classes, kind_of_images(seen))
    counted = _Counted(train)
    reader = ImageReader(threads)
    try:
        for images, labels in ((counted, train_y), (test, test_y)):
            marks.begin(torch.uint8, images.shape)
            for pixels in _in_order(reader, images):
                marks.add(pixels)
            marks.begin(labels.dtype, labels.shape)
            marks.add(labels)
    finally:
        reader.close()
    return ImageSummary(marks.hexdigest(), counted.counts.tolist())


class _Counted:
    """Images whose pixel values are counted as they are read, in the reading thread."""

    def __init__(self, images: Images) -> None:
        self._images = images
        self.shape = images.shape
        self.counts = torch.zeros(images.shape[1], 256, dtype=torch.int64)
        self._lock = Lock()

    def read(self, index: Tensor, out: Tensor) -> None:
        """Read and count."""
        self._images.read(index, out)
        counts = count_values(out)
        with self._lock:
            self.counts += counts


def _in_order(reader: ImageReader, images: Images) -> Iterator[Tensor]:
    """All images in small pieces, reading ahead."""
    every = torch.arange(images.shape[0])
    pieces = [every[i : i + CHUNK] for i in range(0, len(every), CHUNK)]
    order = dict(enumerate(pieces))
    stream = Stream(
        reader=reader, images=images, order=order.get, start=0, depth=4 * reader.threads
    )
    try:
        for _ in pieces:
            yield stream.take()
    finally:
        stream.close()
