"""A dataset in memory, and what is known about it in advance."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import KW_ONLY, dataclass
from functools import cached_property
from typing import SupportsIndex

import torch
from torch import Tensor


@dataclass(frozen=True)
class DatasetInfo:
    """What planning needs to know about a dataset. ValueError for impossible values."""

    input_shape: tuple[int, int, int]
    """[C, H, W] of an image."""
    classes: int
    train_size: int
    """Images in the training split, before validation images are held out."""
    test_size: int

    def __post_init__(self) -> None:
        shape: object = self.input_shape  # a plugin may set anything
        if not isinstance(shape, tuple | list) or len(shape) != 3 or not all(map(_counts, shape)):
            raise ValueError(
                f"input_shape must be [C, H, W] of an image, three whole numbers above 0, but got "
                f"{shape!r:.80}"
            )
        # normalised, since lists or numpy numbers would change records and identities
        object.__setattr__(self, "input_shape", tuple(map(int, shape)))
        for name in ("classes", "train_size", "test_size"):
            value = getattr(self, name)
            if not _counts(value):
                raise ValueError(f"{name} must be a whole number above 0, but got {value!r:.80}")
            object.__setattr__(self, name, int(value))

    def require(self, found: DatasetInfo) -> None:
        """ValueError if the data differs from this info."""
        pairs = {
            "images of shape": (list(self.input_shape), list(found.input_shape)),
            "classes": (self.classes, found.classes),
            "training images": (self.train_size, found.train_size),
            "test images": (self.test_size, found.test_size),
        }
        other = {what: pair for what, pair in pairs.items() if pair[0] != pair[1]}
        if other:
            said = ", ".join(f"{what} {pair[0]}" for what, pair in other.items())
            have = ", ".join(f"{what} {pair[1]}" for what, pair in other.items())
            raise ValueError(
                f"its info(root) and its data differ: info says {said}; the data has {have}; make "
                f"info match what load returns"
            )


@dataclass(frozen=True, eq=False)
class Arrays:
    """The training and test splits in memory. ValueError if they are inconsistent."""

    train_x: Tensor
    """uint8 [N, C, H, W]."""
    train_y: Tensor
    """int64 [N], from 0 to classes − 1."""
    test_x: Tensor
    test_y: Tensor
    _: KW_ONLY
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
                raise ValueError(f"{split}_x has no images")
            low, high = int(y.min()), int(y.max())
            if low < 0 or high >= self.classes:
                raise ValueError(
                    f"{split}_y must be in [0, {self.classes - 1}], but ranges from {low} to {high}"
                )
        if self.train_x.shape[1:] != self.test_x.shape[1:]:
            raise ValueError(
                f"training and test images must have the same shape, but got "
                f"{list(self.train_x.shape[1:])} and {list(self.test_x.shape[1:])}"
            )

    @property
    def info(self) -> DatasetInfo:
        """The dataset's sizes."""
        channels, height, width = self.train_x.shape[1:]
        return DatasetInfo(
            (channels, height, width), self.classes, len(self.train_y), len(self.test_y)
        )

    def fingerprint(self) -> str:
        """160-bit hash of the content as hexadecimal, computed once."""
        return self._fingerprint

    @cached_property
    def _fingerprint(self) -> str:
        marks = Fingerprint(self.classes)
        for tensor in (self.train_x, self.train_y, self.test_x, self.test_y):
            marks.begin(tensor.dtype, tensor.shape)
            marks.add(tensor)
        return marks.hexdigest()


def _counts(value: object) -> bool:
    """Whether it is a positive integer, Python's or numpy's."""
    if isinstance(value, bool) or not isinstance(value, SupportsIndex):
        return False
    return value.__index__() > 0


class Fingerprint:
    """160-bit hash of a dataset's four tensors, which may be added in pieces."""

    def __init__(self, classes: int) -> None:
        self._hash = hashlib.blake2b(f"classes {classes}".encode(), digest_size=20)

    def begin(self, dtype: torch.dtype, shape: Sequence[int]) -> None:
        """Start the next tensor: train_x, train_y, test_x, test_y, in this order."""
        self._hash.update(f"{dtype} {list(shape)}".encode())

    def add(self, piece: Tensor) -> None:
        """Add the whole tensor, or its next rows."""
        self._hash.update(piece.contiguous().numpy())  # type: ignore[arg-type]  # its buffer

    def hexdigest(self) -> str:
        """The hash, after all four tensors."""
        return self._hash.hexdigest()
