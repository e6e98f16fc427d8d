"""MNIST and the datasets that share its format: idx files, 28×28, one channel."""

from __future__ import annotations

import gzip
import zlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import torch

from lth_bench.data.arrays import Arrays, DatasetInfo
from lth_bench.data.published import Published

FILES = (
    "train-images-idx3-ubyte",
    "train-labels-idx1-ubyte",
    "t10k-images-idx3-ubyte",
    "t10k-labels-idx1-ubyte",
)


@dataclass(frozen=True)
class MNIST(Published):
    """MNIST: 70,000 handwritten digits of 28×28 pixels (LeCun, Cortes & Burges)."""

    title: ClassVar[str] = "mnist"
    published: ClassVar[DatasetInfo] = DatasetInfo((1, 28, 28), 10, 60_000, 10_000)
    source: ClassVar[str] = "MNIST"
    """torchvision's class, and its folder in the data root."""
    unpacked: ClassVar[Mapping[str, str]] = {
        "train-images-idx3-ubyte": "6bbc9ace898e44ae57da46a324031adb",
        "train-labels-idx1-ubyte": "a25bea736e30d166cdddb491f175f624",
        "t10k-images-idx3-ubyte": "2646ac647ad5339dbf082846283269ea",
        "t10k-labels-idx1-ubyte": "27ae3e4e09519cfbb04c329615203637",
    }
    """md5 of the unpacked files; torchvision has those of the packed ones."""

    def find(self, root: Path) -> list[Path] | None:
        """Each file packed, because its checksum is published, or else unpacked."""
        found = []
        for name in FILES:
            plain = root / self.source / "raw" / name
            packed = plain.with_name(f"{name}.gz")
            if packed.is_file():
                found.append(packed)
            elif plain.is_file():
                found.append(plain)
            else:
                return None
        return found

    def needs(self, root: Path) -> str:
        """The four files and their folder."""
        folder = root / self.source / "raw"
        missing = [
            n for n in FILES if not ((folder / n).is_file() or (folder / f"{n}.gz").is_file())
        ]
        return (
            f"{', '.join(FILES)} (packed as .gz or not) in {folder}, without {', '.join(missing)}"
        )

    def download(self, torchvision: Any, folder: str) -> None:
        """All four files, from torchvision's mirrors."""
        getattr(torchvision.datasets, self.source)(folder, download=True)

    def decode(self, files: Sequence[Path]) -> Arrays:
        """Images uint8 [N, 1, 28, 28]."""
        checksums = dict(self.unpacked)
        if self.checksum and any(file.suffix == ".gz" for file in files):
            import torchvision  # 4 s

            checksums.update(getattr(torchvision.datasets, self.source).resources)
        parts = [self._read(file, checksums.get(file.name)) for file in files]
        for file, part in zip(files, parts, strict=True):
            self._check_shape(file, part.shape, known=file.name in checksums)
        train_x, train_y, test_x, test_y = map(torch.from_numpy, parts)
        return self.arrays(files, train_x[:, None], train_y.long(), test_x[:, None], test_y.long())

    def _check_shape(self, file: Path, shape: tuple[int, ...], known: bool) -> None:
        """The published number of images too, where the file's own checksum is not known."""
        count: int | str = "N"
        if self.checksum and not known:
            train = file.name.startswith("train")
            count = self.published.train_size if train else self.published.test_size
        wanted = (28, 28) if "images" in file.name else ()
        if shape[1:] != wanted or count not in ("N", shape[0]):
            must = ", ".join(map(str, (count, *wanted)))
            raise self.damaged(
                str(file), f"has the wrong shape: it must hold [{must}], but holds {list(shape)}"
            )

    def _read(self, file: Path, md5: str | None) -> np.ndarray:
        data = file.read_bytes()
        self.require(str(file), data, md5)
        if file.suffix == ".gz":
            try:
                data = gzip.decompress(data)
            except (OSError, EOFError, zlib.error) as error:
                raise self.damaged(str(file), f"is truncated or damaged ({error})") from error
        try:
            return idx(data)
        except ValueError as error:
            raise self.damaged(str(file), str(error)) from error


@dataclass(frozen=True)
class FashionMNIST(MNIST):
    """Fashion-MNIST: 70,000 pictures of clothes of 28×28 pixels (Xiao et al., 2017)."""

    title: ClassVar[str] = "fashion_mnist"
    source: ClassVar[str] = "FashionMNIST"
    unpacked: ClassVar[Mapping[str, str]] = {}


@dataclass(frozen=True)
class KMNIST(MNIST):
    """Kuzushiji-MNIST: 70,000 cursive Japanese characters, 28×28 pixels (Clanuwat et al., 2018)."""

    title: ClassVar[str] = "kmnist"
    source: ClassVar[str] = "KMNIST"
    unpacked: ClassVar[Mapping[str, str]] = {}


def idx(data: bytes) -> np.ndarray:
    """The uint8 array in an idx file. ValueError for another format and for a wrong length.

    The header is two zero bytes, the type (8 is uint8), the number of dimensions, and each
    dimension as a big-endian 32-bit integer.
    """
    if len(data) < 4 or data[:3] != b"\x00\x00\x08" or len(data) < 4 + 4 * data[3]:
        raise ValueError(f"is no idx file of bytes: it begins with {data[:4]!r}")
    shape = [int(n) for n in np.frombuffer(data, ">u4", count=data[3], offset=4)]
    body = np.frombuffer(data, np.uint8, offset=4 + 4 * data[3])
    if body.size != int(np.prod(shape, dtype=object)):
        state = "truncated" if body.size < np.prod(shape, dtype=object) else "too long"
        raise ValueError(
            f"is {state}: its header promises {' × '.join(map(str, shape))} bytes, but "
            f"{body.size:,} follow"
        )
    return body.reshape(shape).copy()
