"""What training needs of a task's data, wherever the pixels lie."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Protocol

import torch
import torch.nn.functional as F
from torch import Tensor

from lth_bench.data.info import DatasetInfo
from lth_bench.training.input.prepare import Prepare, PreparePixels
from lth_bench.training.randomness import generator
from lth_bench.training.recipe import Recipe


class Pixels(Protocol):
    """Images of a split: a tensor uint8 [N, C, H, W] on the device, or what stands in its place."""

    @property
    def shape(self) -> Sequence[int]:
        """[N, C, H, W]."""
        ...

    def __getitem__(self, index: slice | Tensor, /) -> Tensor:
        """The images of a slice, or at positions int64 [n]: uint8 [n, C, H, W] on the device."""
        ...


class Examples(Protocol):
    """One split."""

    @property
    def x(self) -> Pixels:
        """The inputs: pixels, or a tensor of features or tokens on the device."""
        ...

    @property
    def y(self) -> Tensor:
        """The targets, [N, …] on the device: int64 [N] of classes."""
        ...

    def __len__(self) -> int: ...

    def take(self, index: Tensor) -> Examples:
        """The examples at positions int64 [n], as a split of their own."""
        ...


@dataclass(frozen=True)
class Background:
    """A split's most frequent pixel value."""

    value: int
    """As it is stored, 0 to 255."""
    share: float
    """Of all pixels, 0 to 1."""
    others: int
    """Pixels that have another value."""
    shades: Tensor
    """float32 [256]: every pixel value as training sees it."""


class TaskData(ABC):
    """The training and validation splits of a task on a device. The test split is not here."""

    train: Examples
    val: Examples

    def __init__(
        self,
        info: DatasetInfo,
        device: torch.device,
        prepare: Prepare | None = None,
        counts: Tensor | None = None,
    ) -> None:
        """`counts` are the occurrences of each value in the training split of images, int64
        [C, 256], of which `prepare` is made; other inputs give it.
        """
        self.background: Background | None = None
        """Of the training split; None where images have several channels, and of other inputs."""
        self.device = device
        if prepare is None:
            assert counts is not None
            prepare = PreparePixels(counts, device)
            self._prepare: Prepare = prepare
            self.background = self._background(counts) if len(counts) == 1 else None
        self._prepare = prepare
        self.info = info
        self.input_shape = info.input_shape
        self.classes = info.classes
        self.order = lru_cache(maxsize=4)(self._order)
        self._draws = lru_cache(maxsize=2)(self.draws)
        # on a GPU its memory is for training
        self.sample = self._sample if device.type == "cuda" else lru_cache(1)(self._sample)

    def normalise(self, x: Tensor) -> Tensor:
        """Examples [N, …] as networks take them: pixels and features to float32 with mean 0 and
        deviation 1 by the training split's; tokens stay as they are.
        """
        return self._prepare(x)

    def _background(self, counts: Tensor) -> Background:
        value = int(counts[0].argmax())
        every = torch.arange(256, dtype=torch.uint8, device=self.device)
        shades = self.normalise(every.view(256, 1, 1, 1)).view(256)
        there, whole = int(counts[0, value]), int(counts.sum())
        return Background(value, there / whole, whole - there, shades)

    def _sample(self, n: int) -> Examples:
        """`n` training examples, always the same ones; all where there are no more."""
        if len(self.train) <= n:
            return self.train
        chosen = torch.randperm(len(self.train), generator=generator("train sample"))[:n]
        return self.train.take(chosen.to(self.device))

    def _order(self, seed: int, epoch: int) -> Tensor:
        """The epoch's permutation of the training split, int64 [N] on the device."""
        return self.host_order(seed, epoch).to(self.device)

    def host_order(self, seed: int, epoch: int) -> Tensor:
        """The same on the CPU."""
        return torch.randperm(len(self.train), generator=generator("order", seed, epoch))

    def draws(self, seed: int, epoch: int, recipe: Recipe) -> Tensor:
        """The epoch's augmentation, int64 [3, N] on the device: rows down, columns right, flipped.

        N runs over the epoch's order, not over the split.
        """
        n, random = len(self.train), generator("augment", seed, epoch)
        flips = torch.rand(n, generator=random) < (0.5 if recipe.flip else 0.0)
        offsets = torch.randint(0, 2 * recipe.crop + 1, (2, n), generator=random)
        return torch.cat((offsets, flips[None].long())).to(self.device)

    def batch(self, step: int, seed: int, recipe: Recipe) -> tuple[Tensor, Tensor]:
        """The batch of the update that leads from `step` to `step + 1`: inputs as
        `normalise` gives them, [N, …], and targets [N, …].

        A pure function of (seed, step) and the batch size, so that a training that starts late
        continues with the data that the dense run would have seen.
        """
        epoch, position = divmod(step, recipe.steps_per_epoch(len(self.train)))
        part = slice(position * recipe.batch_size, (position + 1) * recipe.batch_size)
        x = self.pixels(step, seed, recipe)
        if recipe.crop or recipe.flip:
            x = augment(x, recipe.crop, *self._draws(seed, epoch, recipe)[:, part])
        return self.normalise(x), self.train.y[self.order(seed, epoch)[part]]

    @abstractmethod
    def pixels(self, step: int, seed: int, recipe: Recipe) -> Tensor:
        """That batch's inputs as the dataset has them, on the device, not to be written to: uint8
        [N, C, H, W] of images.
        """

    def close(self) -> None:  # noqa: B027  # most have nothing to end
        """End what reads ahead, if anything does. The data cannot be used any more."""


def augment(x: Tensor, crop: int, down: Tensor, right: Tensor, flipped: Tensor) -> Tensor:
    """Crop and flip uint8 images [N, C, H, W] after padding `crop` black pixels on each side.

    `down` and `right` [N] are offsets into the padded image, 0 to 2 · crop; where `flipped` [N] is
    not 0 the image is mirrored left to right.
    """
    n, channels, height, width = x.shape
    rows = torch.arange(height, device=x.device).expand(n, -1)
    columns = torch.arange(width, device=x.device).expand(n, -1)
    columns = torch.where(flipped[:, None] != 0, width - 1 - columns, columns)
    if crop:
        x = F.pad(x, (crop, crop, crop, crop))
        rows, columns = rows + down[:, None], columns + right[:, None]
    image = torch.arange(n, device=x.device)[:, None, None, None]
    channel = torch.arange(channels, device=x.device)[None, :, None, None]
    return x[image, channel, rows[:, None, :, None], columns[:, None, None, :]]
