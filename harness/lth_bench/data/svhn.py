"""Street View House Numbers (Netzer et al., 2011), cropped digits."""

from __future__ import annotations

import io
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
        from scipy.io import loadmat

        data = file.read_bytes()
        self.require(str(file), data, md5)
        try:
            held = loadmat(io.BytesIO(data), variable_names=["X", "y"])
            x, y = held["X"], held["y"].reshape(-1).astype(np.int64)
        except Exception as error:  # a damaged file raises anything
            raise self.damaged(str(file), f"is truncated or no file of SVHN's ({error})") from error
        if x.dtype != np.uint8 or x.shape != (32, 32, 3, len(y)):
            raise self.damaged(
                str(file),
                f"has the wrong shape: X must be uint8 [32, 32, 3, {len(y)}], but is {x.dtype} "
                f"{list(x.shape)}",
            )
        images = np.ascontiguousarray(x.transpose(3, 2, 0, 1))
        return torch.from_numpy(images), torch.from_numpy(np.where(y == 10, 0, y))
