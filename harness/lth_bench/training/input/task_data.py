"""What training needs of a task's data, wherever the pixels are stored."""

from __future__ import annotations

import copy
from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Protocol, Self

import torch
from torch import Tensor

from lth_bench.data.info import DatasetInfo
from lth_bench.training.input.augmentation import Augmentation, augmentation_of, centre
from lth_bench.training.input.prepare import Prepare, PreparePixels
from lth_bench.training.randomness import generator
from lth_bench.training.recipe import Recipe


@dataclass(frozen=True)
class Share:
    """The part of every batch that one of several devices takes: equal ones, in order of rank."""

    rank: int = 0
    of: int = 1
    """Devices."""

    def first(self, batch_size: int) -> int:
        """Position in the batch of the share's first example."""
        return self.rank * self.size(batch_size)

    def size(self, batch_size: int) -> int:
        """Examples in the share."""
        return batch_size // self.of


WHOLE = Share()
"""The whole batch."""


class Pixels(Protocol):
    """Images of a split: a tensor uint8 [N, C, H, W] on the device, or an object that
    replaces it.
    """

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
        """The examples at positions int64 [n], as a new split."""
        ...


@dataclass(frozen=True)
class Background:
    """The training split's most frequent pixel value."""

    value: int
    """As stored, 0 to 255."""
    share: float
    """Fraction of all pixels with this value, 0 to 1."""
    others: int
    """Number of pixels with another value."""
    shades: Tensor
    """float32 [256]: the normalised value of every pixel value."""


class TaskData(ABC):
    """A task's training and validation splits on a device. The test split is not part of it."""

    train: Examples
    val: Examples

    def __init__(
        self,
        info: DatasetInfo,
        device: torch.device,
        prepare: Prepare | None = None,
        counts: Tensor | None = None,
    ) -> None:
        """`counts`: number of occurrences of each pixel value in the training split of images,
        int64 [C, 256], from which `prepare` is made; for other inputs pass `prepare`.
        """
        self.background: Background | None = None
        """Of the training split; None for images with several channels, and for other inputs."""
        self.device, self.info = device, info
        if prepare is None:
            assert counts is not None
            prepare = PreparePixels(counts, device)
            self._prepare: Prepare = prepare
            # of images that are seen whole: the others' middle is known once they are cut
            if len(counts) == 1 and info.stored_shape == info.input_shape:
                self.background = self._background(counts)
        self._prepare = prepare
        self.input_shape = info.input_shape
        self.classes = info.classes
        self.cache_draws()

    def cache_draws(self) -> None:
        """Keep the last orders, augmentations and sample of these splits."""
        self.order = lru_cache(maxsize=4)(self._order)
        self._augmentation = lru_cache(maxsize=2)(self.augmentation)
        # on a GPU, device memory is left to training
        self.sample = self._sample if self.device.type == "cuda" else lru_cache(1)(self._sample)

    def with_splits(self, train: Examples, val: Examples) -> Self:
        """Other examples, of the kind that this data has, prepared as these are."""
        other = copy.copy(self)
        other.train, other.val = train, val
        other.cache_draws()
        return other

    def normalise(self, x: Tensor) -> Tensor:
        """Examples [N, …] as networks take them: pixels and features as float32 with mean 0 and
        standard deviation 1 over the training split; tokens are unchanged. Of images that are
        stored larger than networks see them, the middle, with mean and deviation of all pixels
        that are stored.
        """
        if self.info.stored_shape != self.info.input_shape:
            x = centre(x, self.info.input_shape)
        return self._prepare(x)

    def _background(self, counts: Tensor) -> Background:
        value = int(counts[0].argmax())
        every = torch.arange(256, dtype=torch.uint8, device=self.device)
        shades = self.normalise(every.view(256, 1, 1, 1)).view(256)
        there, whole = int(counts[0, value]), int(counts.sum())
        return Background(value, there / whole, whole - there, shades)

    def _sample(self, n: int) -> Examples:
        """`n` training examples, always the same ones; all if there are fewer."""
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

    def augmentation(self, seed: int, epoch: int, recipe: Recipe) -> Tensor:
        """The numbers of a recipe's augmentation for an epoch, int64 [numbers, N] on the device.

        N follows the epoch's order, not the split's.
        """
        change = self.augmenter(recipe)
        assert change is not None
        n, random = len(self.train), generator("augment", seed, epoch)
        flips = torch.rand(n, generator=random) < (0.5 if recipe.flip else 0.0)
        return torch.cat((change.draw(n, random), flips[None].long())).to(self.device)

    def augmenter(self, recipe: Recipe) -> Augmentation | None:
        """What a recipe does to a batch's pixels; None if it leaves them as they are."""
        return augmentation_of(recipe, self.train.x.shape[1:], self.input_shape)

    def batch(self, step: int, seed: int, recipe: Recipe) -> tuple[Tensor, Tensor]:
        """The batch of the update from `step` to `step + 1`: inputs as `normalise` returns them,
        [N, …], and targets [N, …].

        A pure function of (seed, step) and the batch size, so that a training that starts late sees
        the same data as the dense run did from there.
        """
        epoch, position = divmod(step, recipe.steps_per_epoch(len(self.train)))
        part = slice(position * recipe.batch_size, (position + 1) * recipe.batch_size)
        x = self.pixels(step, seed, recipe)
        if (change := self.augmenter(recipe)) is not None:
            x = change(x, self._augmentation(seed, epoch, recipe)[:, part])
        return self.normalise(x), self.train.y[self.order(seed, epoch)[part]]

    @abstractmethod
    def pixels(self, step: int, seed: int, recipe: Recipe) -> Tensor:
        """That batch's inputs as the dataset stores them (uint8 [N, C, H, W] for images), on the
        device; do not modify them.
        """

    def close(self) -> None:  # noqa: B027  # most have nothing to end
        """Stop reading ahead, if the data does that. The data cannot be used afterwards."""
