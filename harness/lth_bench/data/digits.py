"""scikit-learn's digits: real data that needs no download."""

from __future__ import annotations

from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path

import torch

from lth_bench.data.arrays import Arrays, DatasetInfo
from lth_bench.data.cache import ArrayCache
from lth_bench.data.splits import split

TEST_SIZE = 500


@dataclass(frozen=True)
class Digits:
    """scikit-learn's digits: 1,797 handwritten digits of 8×8 pixels, 1,297 of them for training."""

    def info(self, root: Path) -> DatasetInfo:
        """Known without loading."""
        return DatasetInfo((1, 8, 8), 10, 1297, TEST_SIZE)

    def load(self, root: Path) -> Arrays:
        """Pixel values 0 to 16 are scaled to 0 to 255. The split is fixed and
        stratified by class.
        """
        return _cache().get(_decode)

    def fingerprint(self, root: Path) -> str | None:
        """The content's fingerprint, if a decoded copy has it."""
        return _cache().fingerprint()


def _cache() -> ArrayCache:
    return ArrayCache("digits", [f"scikit-learn {version('scikit-learn')}"], {})


def _decode() -> Arrays:
    from sklearn.datasets import load_digits  # 2 s

    bunch = load_digits()
    x = torch.from_numpy(bunch.images).mul(255 / 16).round().to(torch.uint8)[:, None]
    y = torch.from_numpy(bunch.target).to(torch.int64)
    train, test = split(len(y), y, TEST_SIZE, "digits")
    return Arrays(x[train], y[train], x[test], y[test], classes=10)
