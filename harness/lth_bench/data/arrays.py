"""A dataset in memory, and what is known of it before."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import torch
from torch import Tensor


@dataclass(frozen=True)
class DatasetInfo:
    """What a plan needs of a dataset."""

    input_shape: tuple[int, int, int]
    """[C, H, W] of an image."""
    classes: int
    train_size: int
    """Images of the training split, before validation images are held out."""
    test_size: int


@dataclass(frozen=True, eq=False)
class Arrays:
    """The training and test splits in memory. Raises ValueError where they do not fit together."""

    train_x: Tensor
    """uint8 [N, C, H, W]."""
    train_y: Tensor
    """int64 [N], from 0 to classes − 1."""
    test_x: Tensor
    test_y: Tensor
    classes: int

    def __post_init__(self) -> None:
        for split, x, y in (
            ("train", self.train_x, self.train_y),
            ("test", self.test_x, self.test_y),
        ):
            if x.dtype != torch.uint8 or x.ndim != 4:
                raise ValueError(
                    f"{split}_x must be uint8 [N, C, H, W], but got {x.dtype} {list(x.shape)}"
                )
            if y.dtype != torch.int64 or y.shape != x.shape[:1]:
                raise ValueError(
                    f"{split}_y must be int64 [{len(x)}], but got {y.dtype} {list(y.shape)}"
                )
            if len(y) == 0:
                raise ValueError(f"{split}_x has no image")
            low, high = int(y.min()), int(y.max())
            if low < 0 or high >= self.classes:
                raise ValueError(
                    f"{split}_y must lie in [0, {self.classes - 1}], but goes from {low} to {high}"
                )
        if self.train_x.shape[1:] != self.test_x.shape[1:]:
            raise ValueError(
                f"training and test images must have one shape, but got "
                f"{list(self.train_x.shape[1:])} and {list(self.test_x.shape[1:])}"
            )

    @property
    def info(self) -> DatasetInfo:
        """The sizes."""
        channels, height, width = self.train_x.shape[1:]
        return DatasetInfo(
            (channels, height, width), self.classes, len(self.train_y), len(self.test_y)
        )

    def fingerprint(self) -> str:
        """160 bits over the content as hexadecimal, worked out once."""
        return self._fingerprint

    @cached_property
    def _fingerprint(self) -> str:
        marks = Fingerprint(self.classes)
        for tensor in (self.train_x, self.train_y, self.test_x, self.test_y):
            marks.begin(tensor.dtype, tensor.shape)
            marks.add(tensor)
        return marks.hexdigest()


class Fingerprint:
    """160 bits over the four tensors of a dataset, which may come in pieces."""

    def __init__(self, classes: int) -> None:
        self._hash = hashlib.blake2b(f"classes {classes}".encode(), digest_size=20)

    def begin(self, dtype: torch.dtype, shape: Sequence[int]) -> None:
        """The next tensor: train_x, train_y, test_x, test_y, in this order."""
        self._hash.update(f"{dtype} {list(shape)}".encode())

    def add(self, piece: Tensor) -> None:
        """The tensor itself, or its next rows."""
        self._hash.update(piece.contiguous().numpy())  # type: ignore[arg-type]  # its buffer

    def hexdigest(self) -> str:
        """After all four."""
        return self._hash.hexdigest()
