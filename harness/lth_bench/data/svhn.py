"""Street View House Numbers (Netzer et al., 2011), cropped digits."""

from __future__ import annotations

import io
import math
import zlib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import torch
from torch import Tensor

from lth_bench.data.arrays import Arrays, DatasetInfo
from lth_bench.data.published import Published

FILES = ("train_32x32.mat", "test_32x32.mat")
NUMBERS = ("uint8", "int8", "uint16", "int16", "uint32", "int32", "uint64", "int64",
           "single", "double")  # fmt: skip
"""MATLAB's names for arrays that are not lists of other arrays."""
COMPRESSED = 15
"""MATLAB's number for a compressed element."""
MOST_PACKED = 100
"""Maximum compression ratio of a variable; the published images have a ratio of 1.3."""
SMALL = 1 << 24
"""Bytes of a variable that are always allowed, whatever its compressed size."""
PIECE = 1 << 20


@dataclass(frozen=True)
class SVHN(Published):
    """SVHN: 99,289 house-number digits of 32×32 pixels in colour, without the extra split."""

    title: ClassVar[str] = "svhn"
    published: ClassVar[DatasetInfo] = DatasetInfo((3, 32, 32), 10, 73_257, 26_032)

    def find(self, root: Path) -> list[Path] | None:
        """Both files, in the data root itself."""
        files = [root / name for name in FILES]
        return files if all(file.is_file() for file in files) else None

    def needs(self, root: Path) -> str:
        """The two files."""
        missing = [name for name in FILES if not (root / name).is_file()]
        return f"{' and '.join(FILES)} in {root}, without {' and '.join(missing)}"

    def download(self, torchvision: Any, folder: str) -> None:
        """Both splits."""
        for part in ("train", "test"):
            torchvision.datasets.SVHN(folder, split=part, download=True)

    def decode(self, files: Sequence[Path]) -> Arrays:
        """Images uint8 [N, 3, 32, 32]. The files' label 10 is the digit 0."""
        checksums: dict[str, str] = {}
        if self.checksum:
            import torchvision  # 4 s

            for _, name, md5 in torchvision.datasets.SVHN.split_list.values():
                checksums[name] = md5
        parts = [t for file in files for t in self._read(file, checksums.get(file.name))]
        return self.arrays(files, *parts)

    def _read(self, file: Path, md5: str | None) -> tuple[Tensor, Tensor]:
        data = self.read(file)
        self.require(str(file), data, md5)
        try:
            x, y = read_mat(data)
        except Exception as error:  # a damaged file may raise anything
            raise self.damaged(str(file), f"is truncated or not an SVHN file ({error})") from error
        if x.dtype != np.uint8 or x.shape != (32, 32, 3, len(y)):
            raise self.damaged(
                str(file),
                f"has the wrong shape: X must be uint8 [32, 32, 3, {len(y)}], but is {x.dtype} "
                f"{list(x.shape)}",
            )
        images = np.ascontiguousarray(x.transpose(3, 2, 0, 1))
        return torch.from_numpy(images), torch.from_numpy(np.where(y == 10, 0, y))


def read_mat(data: bytes) -> tuple[np.ndarray, np.ndarray]:
    """X and y from a MATLAB 5 file. ValueError, or anything SciPy raises.

    Headers are checked before anything is read, since their sizes are allocated.
    """
    from scipy.io import loadmat, whosmat

    _require_moderate(data)
    held = {name: (shape, kind) for name, shape, kind in whosmat(io.BytesIO(data))}
    for name in ("X", "y"):
        shape, kind = held.get(name, ((), "not there"))
        if kind not in NUMBERS:
            raise ValueError(f"{name} must be an array of numbers, but is {kind}")
        if math.prod(shape) > SMALL + len(data) * MOST_PACKED:
            raise ValueError(f"{name} is said to be {list(shape)} in {len(data):,} bytes")
    found = loadmat(io.BytesIO(data), variable_names=["X", "y"])
    return found["X"], found["y"].reshape(-1).astype(np.int64)


def _require_moderate(data: bytes) -> None:
    """ValueError if a compressed variable is larger than such images can be."""
    order: Any = "<" if data[126:128] == b"IM" else ">"
    here = 128
    while here + 8 <= len(data):
        kind, size = (int(n) for n in np.frombuffer(data, f"{order}u4", 2, here))
        packed = memoryview(data)[here + 8 : here + 8 + size]
        here += 8 + size
        unpack, unpacked = zlib.decompressobj(), 0
        while kind == COMPRESSED and packed and not unpack.eof:
            unpacked += len(unpack.decompress(packed, PIECE))
            packed = memoryview(unpack.unconsumed_tail)
            if unpacked > SMALL + MOST_PACKED * size:
                raise ValueError(f"a variable of more than {unpacked:,} bytes in {size:,}")
