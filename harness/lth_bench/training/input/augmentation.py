"""What a recipe does to training images: shifts or crops of random size, and mirroring.

Each image's numbers are drawn for its place in the epoch's order, a whole epoch at once, and the
images are changed on the device, a batch at once. So the same place has the same crop whether data
is resident or streamed, alone, in a cohort or on one of several devices, and after a resume.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

import torch
import torch.nn.functional as F
from torch import Tensor

from lth_bench.training.input.resized_crops import ResizedCrops
from lth_bench.training.recipe import Recipe


class Augmentation(Protocol):
    """Random changes of images, told by a few whole numbers for each."""

    numbers: int
    """How many whole numbers an image needs. The last is not 0 if it is mirrored left to right."""

    def draw(self, n: int, rng: torch.Generator) -> Tensor:
        """All but the last, for `n` images: int64 [numbers − 1, n] on the CPU."""
        ...

    def __call__(self, x: Tensor, drawn: Tensor) -> Tensor:
        """Images as the dataset stores them, uint8 [N, C, H, W], changed by int64 [numbers, N] on
        their device; uint8 of the size that networks see.
        """
        ...


def augmentation_of(
    recipe: Recipe, stored: Sequence[int], shape: Sequence[int]
) -> Augmentation | None:
    """A recipe's changes of images that are stored as [C, H, W] `stored` and seen by networks as
    [C, H, W] `shape`; None if there are none.
    """
    if recipe.resized_crop is not None:
        return ResizedCrops(recipe.resized_crop, stored=stored, shape=shape)
    if recipe.crop or recipe.flip:
        return Shifts(recipe.crop, shape)
    return None


class Shifts:
    """Crops after padding, and mirroring."""

    numbers = 3

    def __init__(self, crop: int, shape: Sequence[int]) -> None:
        """`crop`: black pixels padded on each side; `shape`: [C, H, W] that networks see."""
        self._crop, self._shape = crop, shape

    def draw(self, n: int, rng: torch.Generator) -> Tensor:
        """Offset down and offset right into the padded image, 0 to 2 · crop."""
        return torch.randint(0, 2 * self._crop + 1, (2, n), generator=rng)

    def __call__(self, x: Tensor, drawn: Tensor) -> Tensor:
        x = centre(x, self._shape)
        down, right, flipped = drawn
        n, channels, height, width = x.shape
        rows = torch.arange(height, device=x.device).expand(n, -1)
        columns = torch.arange(width, device=x.device).expand(n, -1)
        columns = torch.where(flipped[:, None] != 0, width - 1 - columns, columns)
        if crop := self._crop:
            x = F.pad(x, (crop, crop, crop, crop))
            rows, columns = rows + down[:, None], columns + right[:, None]
        image = torch.arange(n, device=x.device)[:, None, None, None]
        channel = torch.arange(channels, device=x.device)[None, :, None, None]
        return x[image, channel, rows[:, None, :, None], columns[:, None, None, :]]


def centre(x: Tensor, shape: Sequence[int]) -> Tensor:
    """The middle of images [N, C, H, W], of [C, H, W] `shape`, as torchvision's CenterCrop takes
    it; a view.
    """
    top, left = (
        round((have - want) / 2) for have, want in zip(x.shape[2:], shape[1:], strict=True)
    )
    return x[:, :, top : top + shape[1], left : left + shape[2]]
