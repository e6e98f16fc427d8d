"""CIFAR-10 and CIFAR-100 (Krizhevsky, 2009), in their Python format."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import torch
from torch import Tensor

from lth_bench.data.archives import BadArchive, contents
from lth_bench.data.arrays import Arrays, DatasetInfo
from lth_bench.data.pickles import read_pickle
from lth_bench.data.published import MAX_BYTES, Published


@dataclass(frozen=True)
class CIFAR10(Published):
    """CIFAR-10: 60,000 colour photographs of 32×32 pixels in ten classes (Krizhevsky, 2009)."""

    title: ClassVar[str] = "cifar10"
    published: ClassVar[DatasetInfo] = DatasetInfo((3, 32, 32), 10, 50_000, 10_000)
    source: ClassVar[str] = "CIFAR10"
    """The name of torchvision's class."""
    folder: ClassVar[str] = "cifar-10-batches-py"
    archive: ClassVar[str] = "cifar-10-python.tar.gz"
    train: ClassVar[tuple[str, ...]] = tuple(f"data_batch_{i}" for i in range(1, 6))
    test: ClassVar[tuple[str, ...]] = ("test_batch",)
    labels: ClassVar[str] = "labels"
    """The key of the labels in a batch."""

    def find(self, root: Path) -> list[Path] | None:
        """The batches in their folder, or else the archive."""
        batches = [root / self.folder / name for name in (*self.train, *self.test)]
        if all(batch.is_file() for batch in batches):
            return batches
        archive = root / self.archive
        return [archive] if archive.is_file() else None

    def needs(self, root: Path) -> str:
        """The batches or the archive."""
        names = (*self.train, *self.test)
        missing = [name for name in names if not (root / self.folder / name).is_file()]
        return (
            f"{', '.join(names)} in {root / self.folder}, without {', '.join(missing)}, and for "
            f"{root / self.archive}"
        )

    def download(self, torchvision: Any, folder: str) -> None:
        """The archive, which torchvision unpacks."""
        getattr(torchvision.datasets, self.source)(folder, download=True)

    def decode(self, files: Sequence[Path]) -> Arrays:
        """Images uint8 [N, 3, 32, 32]."""
        contents = self._contents(files)
        checksums: dict[str, str] = {}
        if self.checksum:
            import torchvision  # 4 s

            published = getattr(torchvision.datasets, self.source)
            checksums = dict([*published.train_list, *published.test_list])
        splits = []
        for names in (self.train, self.test):
            batches = [self._batch(*contents[name], checksums.get(name)) for name in names]
            splits += [torch.cat([x for x, _ in batches]), torch.cat([y for _, y in batches])]
        return self.arrays(files, *splits)

    def _contents(self, files: Sequence[Path]) -> dict[str, tuple[str, bytes]]:
        """Batch name → location and content."""
        if len(files) > 1:
            return {file.name: (str(file), self.read(file)) for file in files}
        (archive,) = files
        wanted = {f"{self.folder}/{name}": name for name in (*self.train, *self.test)}
        try:
            held = {
                wanted[name]: (f"{name} in {archive}", content)
                for name, content in contents(archive, wanted.__contains__, MAX_BYTES)
            }
        except BadArchive as error:
            raise self.damaged(str(archive), error.why) from error
        if len(held) < len(wanted):
            missing = ", ".join(sorted(wanted.values() - held.keys()))
            raise self.damaged(str(archive), f"is truncated or another archive: it lacks {missing}")
        return held

    def _batch(self, file: str, data: bytes, md5: str | None) -> tuple[Tensor, Tensor]:
        self.require(file, data, md5)
        try:
            batch = read_pickle(data)
        except ValueError as error:
            raise self.damaged(file, str(error)) from error
        if not isinstance(batch, dict) or not {"data", self.labels} <= batch.keys():
            raise self.damaged(file, f"must hold 'data' and {self.labels!r}")
        x, y = _array(batch["data"]), _array(batch[self.labels])
        if x.dtype != np.uint8 or x.ndim != 2 or x.shape[1] != 3072:
            raise self.damaged(
                file,
                f"has the wrong shape: 'data' must be uint8 [N, 3072], but is {x.dtype} "
                f"{list(x.shape)}",
            )
        if y.shape != x.shape[:1] or not np.issubdtype(y.dtype, np.integer):
            raise self.damaged(
                file,
                f"has the wrong shape: {self.labels!r} must be {len(x)} integers, but is "
                f"{y.dtype} {list(y.shape)}",
            )
        images = np.ascontiguousarray(x).reshape(-1, 3, 32, 32)
        return torch.from_numpy(images), torch.from_numpy(y.astype(np.int64))


def _array(held: Any) -> np.ndarray:
    """An array, or a list of numbers as an array; an empty object array for anything else, since an
    array made from a few bytes of self-referencing lists could fill the memory.
    """
    if isinstance(held, np.ndarray):
        return held
    flat = isinstance(held, list) and all(type(item) is int for item in held)
    return np.asarray(held) if flat else np.empty(0, object)


@dataclass(frozen=True)
class CIFAR100(CIFAR10):
    """CIFAR-100: 60,000 colour photographs of 32×32 pixels, by its 100 fine classes."""

    title: ClassVar[str] = "cifar100"
    published: ClassVar[DatasetInfo] = DatasetInfo((3, 32, 32), 100, 50_000, 10_000)
    source: ClassVar[str] = "CIFAR100"
    folder: ClassVar[str] = "cifar-100-python"
    archive: ClassVar[str] = "cifar-100-python.tar.gz"
    train: ClassVar[tuple[str, ...]] = ("train",)
    test: ClassVar[tuple[str, ...]] = ("test",)
    labels: ClassVar[str] = "fine_labels"
