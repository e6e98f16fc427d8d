"""MNIST and the datasets in its format: idx files, 28×28 pixels, one channel."""

from __future__ import annotations

import gzip
import io
import math
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
SMALL = 1 << 26
"""Unpacked bytes that are always allowed, whatever the compressed size."""
MOST_PACKED = 100
"""Maximum compression ratio beyond that; the published images have a ratio of five."""


@dataclass(frozen=True)
class MNIST(Published):
    """MNIST: 70,000 handwritten digits of 28×28 pixels (LeCun, Cortes & Burges)."""

    title: ClassVar[str] = "mnist"
    published: ClassVar[DatasetInfo] = DatasetInfo((1, 28, 28), 10, 60_000, 10_000)
    source: ClassVar[str] = "MNIST"
    """The name of torchvision's class, and of its folder in the data root."""
    unpacked: ClassVar[Mapping[str, str]] = {
        "train-images-idx3-ubyte": "6bbc9ace898e44ae57da46a324031adb",
        "train-labels-idx1-ubyte": "a25bea736e30d166cdddb491f175f624",
        "t10k-images-idx3-ubyte": "2646ac647ad5339dbf082846283269ea",
        "t10k-labels-idx1-ubyte": "27ae3e4e09519cfbb04c329615203637",
    }
    """md5 of the unpacked files; torchvision has those of the compressed ones."""

    def find(self, root: Path) -> list[Path] | None:
        """Each file compressed, since those checksums are published, or else unpacked."""
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
        """Also checks the published number of images if the file's own checksum is not known."""
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
        data = self.read(file)
        self.require(str(file), data, md5)
        try:
            return idx(_unpacked(data) if file.suffix == ".gz" else data)
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


def _unpacked(packed: bytes) -> bytes:
    """The decompressed content, up to the size its header claims plus one byte. ValueError if it is
    damaged, or claims far more than such a file can hold.
    """
    try:
        with gzip.GzipFile(fileobj=io.BytesIO(packed)) as opened:
            head = opened.read(4)
            head += opened.read(4 * head[3]) if len(head) == 4 else b""
            rest = math.prod(_shape(head))
            if rest > max(SMALL, MOST_PACKED * len(packed)):
                raise ValueError(
                    f"promises {rest:,} bytes in {len(packed):,}; real images pack to a tenth"
                )
            return head + opened.read(rest + 1)
    except (OSError, EOFError, zlib.error) as error:
        raise ValueError(f"is truncated or damaged ({error})") from error


def idx(data: bytes) -> np.ndarray:
    """The uint8 array in an idx file. ValueError for another format or a wrong length.

    The header is two zero bytes, the type (8 is uint8), the number of dimensions, and each
    dimension as a big-endian 32-bit integer.
    """
    shape = _shape(data)
    body = np.frombuffer(data, np.uint8, offset=4 + 4 * data[3])
    if body.size != math.prod(shape):
        state, follow = "too long", "more"
        if body.size < math.prod(shape):
            state, follow = "truncated", f"{body.size:,}"
        raise ValueError(
            f"is {state}: its header promises {' × '.join(map(str, shape))} bytes, but {follow} "
            f"follow"
        )
    return body.reshape(shape).copy()


def _shape(head: bytes) -> list[int]:
    """The dimensions in a header. ValueError unless it is an idx header for bytes."""
    if len(head) < 4 or head[:3] != b"\x00\x00\x08" or len(head) < 4 + 4 * head[3]:
        raise ValueError(f"is not an idx file of bytes: it starts with {head[:4]!r}")
    return [int(n) for n in np.frombuffer(head, ">u4", count=head[3], offset=4)]
