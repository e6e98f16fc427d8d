"""A dataset in memory."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import KW_ONLY, dataclass
from functools import cached_property

import torch
from torch import Tensor

from lth_bench.data.info import DatasetInfo as DatasetInfo
from lth_bench.data.info import Inputs, Targets, require_kinds


@dataclass(frozen=True, eq=False)
class Arrays:
    """The training and test splits in memory. ValueError if they are inconsistent."""

    train_x: Tensor
    """uint8 [N, C, H, W] of images, float32 or float64 [N, …] of features, int64 [N, T] of
    tokens."""
    train_y: Tensor
    """int64 [N] from 0 to classes − 1; uint8 [N, classes] of labels, 0 or 1; float32 or float64
    [N, classes] of values; int64 [N, T] of tokens."""
    test_x: Tensor
    test_y: Tensor
    _: KW_ONLY
    classes: int
    inputs: Inputs = "images"
    targets: Targets = "class"
    vocabulary: int = 0
    """Input tokens are below it; 0 of other inputs."""
    standardise: bool = True
    """Whether features are brought to mean 0 and deviation 1 by the training split's."""
    bytes_per_token: float = 1.0
    """Mean bytes of text in a target token."""
    seen: int | None = None
    """Height and width of the middle of images that networks see; None for the whole."""

    def __post_init__(self) -> None:
        require_kinds(self.inputs, self.targets)
        for split, x, y in (
            ("train", self.train_x, self.train_y),
            ("test", self.test_x, self.test_y),
        ):
            self._check_x(f"{split}_x", x)
            self._check_y(f"{split}_y", x, y)
        if self.train_x.shape[1:] != self.test_x.shape[1:]:
            things = "images" if self.inputs == "images" else "inputs"
            raise ValueError(
                f"training and test {things} must have the same shape, but got "
                f"{list(self.train_x.shape[1:])} and {list(self.test_x.shape[1:])}"
            )

        if self.seen is not None and (
            self.inputs != "images" or not 1 <= self.seen <= min(self.train_x.shape[2:])
        ):
            raise ValueError(
                f"seen must be at most the height and width of images, but got {self.seen} of "
                f"{self.inputs} {list(self.train_x.shape[1:])}"
            )

    def _check_x(self, name: str, x: Tensor) -> None:
        dtypes, sizes, dimensions = {
            "images": ((torch.uint8,), "uint8 [N, C, H, W]", (4,)),
            "features": ((torch.float32, torch.float64), "float32 or float64 [N, …]", ()),
            "tokens": ((torch.int64,), "int64 [N, T]", (2,)),
        }[self.inputs]
        if x.dtype not in dtypes or x.ndim < 2 or (dimensions and x.ndim not in dimensions):
            raise ValueError(f"{name} must be {sizes}, but got {x.dtype} {list(x.shape)}")
        if self.inputs == "features":
            require_finite(name, x)
        if self.inputs == "tokens" and x.numel():
            require_range(name, x, self.vocabulary, "the vocabulary")

    def _check_y(self, name: str, x: Tensor, y: Tensor) -> None:
        n, real = len(x), (torch.float32, torch.float64)
        dtypes, sizes, shape = {
            "class": ((torch.int64,), "int64", [n]),
            "labels": ((torch.uint8,), "uint8", [n, self.classes]),
            "values": (real, "float32 or float64", [n, self.classes]),
            "tokens": ((torch.int64,), "int64", list(x.shape)),
        }[self.targets]
        if y.dtype not in dtypes or list(y.shape) != shape:
            raise ValueError(f"{name} must be {sizes} {shape}, but got {y.dtype} {list(y.shape)}")
        if n == 0:
            things = "images" if self.inputs == "images" else "examples"
            raise ValueError(f"{name[:-1]}x has no {things}")
        if self.targets == "values":
            require_finite(name, y)
        else:
            require_range(name, y, 2 if self.targets == "labels" else self.classes)

    @property
    def info(self) -> DatasetInfo:
        """The dataset's sizes and kinds."""
        stored = tuple(self.train_x.shape[1:])
        return DatasetInfo(
            seen_shape(stored, self.seen), self.classes, len(self.train_y), len(self.test_y),
            inputs=self.inputs, targets=self.targets, vocabulary=self.vocabulary,
            bytes_per_token=self.bytes_per_token, stored_shape=stored,
        )  # fmt: skip

    def fingerprint(self) -> str:
        """160-bit hash of the content as hexadecimal, computed once."""
        return self._fingerprint

    @cached_property
    def _fingerprint(self) -> str:
        marks = Fingerprint(self.classes, self._kind)
        for tensor in (self.train_x, self.train_y, self.test_x, self.test_y):
            marks.begin(tensor.dtype, tensor.shape)
            marks.add(tensor)
        return marks.hexdigest()

    @property
    def _kind(self) -> str:
        """What a fingerprint tells beside the numbers; "" of images with classes."""
        if (self.inputs, self.targets) == ("images", "class"):
            return kind_of_images(self.seen)
        standard = self.inputs == "features" and self.standardise
        return f"{self.inputs} {self.targets} {self.vocabulary} {standard} {self.bytes_per_token}"


def seen_shape(stored: tuple[int, ...], seen: int | None) -> tuple[int, ...]:
    """What networks see of images stored as [C, H, W]."""
    return stored if seen is None else (stored[0], seen, seen)


def kind_of_images(seen: int | None) -> str:
    """What a fingerprint tells of images with classes beside their pixels."""
    return "" if seen is None else f"seen {seen}"


def require_finite(name: str, numbers: Tensor) -> None:
    """ValueError where one is NaN or infinite, with the place of the first."""
    wrong = ~numbers.isfinite()
    if bool(wrong.any()):
        place = [int(i) for i in wrong.nonzero()[0]]
        raise ValueError(
            f"{name} must be finite, but {int(wrong.sum())} of its numbers are NaN or infinite, "
            f"the first at {place}; fill them in or leave those examples out"
        )


def require_range(name: str, numbers: Tensor, end: int, what: str = "") -> None:
    """ValueError if a number is outside 0 to `end` − 1."""
    low, high = int(numbers.min()), int(numbers.max())
    if low < 0 or high >= end:
        why = f" ({what} is {end})" if what else ""
        raise ValueError(f"{name} must be in [0, {end - 1}]{why}, but ranges from {low} to {high}")


def require_known_classes(train_y: Tensor, test_y: Tensor) -> None:
    """ValueError where the test split has a class, int64 [N], that training never shows."""
    tested = torch.bincount(test_y)
    shown = torch.bincount(train_y, minlength=len(tested))[: len(tested)]
    classes = [c for c, n in enumerate(tested.tolist()) if n and not shown[c]]
    if classes:
        named = ", ".join(map(str, classes[:5])) + (", …" if len(classes) > 5 else "")
        count = int(tested[classes].sum())
        raise ValueError(
            f"{count:,} of {len(test_y):,} test examples are of a class that no training example "
            f"has ({named}); leave them out, or split the data so that training has every class"
        )


class Fingerprint:
    """160-bit hash of a dataset's four tensors, which may be added in pieces."""

    def __init__(self, classes: int, kind: str = "") -> None:
        text = f"classes {classes}" + (f" {kind}" if kind else "")
        self._hash = hashlib.blake2b(text.encode(), digest_size=20)

    def begin(self, dtype: torch.dtype, shape: Sequence[int]) -> None:
        """Start the next tensor: train_x, train_y, test_x, test_y, in this order."""
        self._hash.update(f"{dtype} {list(shape)}".encode())

    def add(self, piece: Tensor) -> None:
        """Add the whole tensor, or its next rows."""
        self._hash.update(piece.contiguous().numpy())  # type: ignore[arg-type]  # its buffer

    def hexdigest(self) -> str:
        """The hash, after all four tensors."""
        return self._hash.hexdigest()
