"""Images to train on: MNIST where it lies in `LTH_BENCH_DATA`, else made ones of the same shape."""

from __future__ import annotations

import gzip
import os
from dataclasses import dataclass
from pathlib import Path

import torch

from lth_bench.data.arrays import Arrays
from lth_bench.maintenance.selftest.net import made

__all__ = ["Sample", "made", "sample"]


@dataclass(frozen=True)
class Sample:
    """A dataset in memory and what it is."""

    arrays: Arrays
    title: str
    """`mnist`, or `synthetic` with the shape."""


def sample(shape: tuple[int, int, int], size: int | None = None) -> Sample:
    """Images [N, C, H, W] of that shape, ten classes; `size` is the training split's where made.

    MNIST's shape takes MNIST itself where the data root holds its files.
    """
    folder = Path(os.environ.get("LTH_BENCH_DATA", "")) / "MNIST" / "raw"
    if shape == (1, 28, 28) and _file(folder, "t10k-labels-idx1-ubyte").is_file():
        return Sample(_mnist(folder), "mnist")
    return Sample(made(shape, size or 60_000), f"synthetic {'×'.join(map(str, shape))}")


def _file(folder: Path, name: str) -> Path:
    packed = folder / f"{name}.gz"
    return packed if packed.is_file() else folder / name


def _mnist(folder: Path) -> Arrays:
    """The four idx files: a header of 16 bytes before images, of 8 before labels."""
    parts = []
    for split in ("train", "t10k"):
        for kind, header in (("images-idx3", 16), ("labels-idx1", 8)):
            file = _file(folder, f"{split}-{kind}-ubyte")
            content = file.read_bytes()
            content = gzip.decompress(content) if file.suffix == ".gz" else content
            parts.append(torch.frombuffer(bytearray(content), dtype=torch.uint8, offset=header))
    train_x, train_y, test_x, test_y = parts
    shape = (-1, 1, 28, 28)
    return Arrays(
        train_x.view(shape), train_y.long(), test_x.view(shape), test_y.long(), classes=10
    )
