"""The five transforms of torchvision that the conventional loop uses, for where it is missing.

Names and arguments are torchvision's. An image is an array [H, W] or [H, W, C] of uint8.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor


@dataclass(frozen=True)
class Image:
    """What stands for a PIL image."""

    array: np.ndarray


@dataclass(frozen=True)
class Compose:
    """One after the other."""

    steps: Sequence[Callable[[Any], Any]]

    def __call__(self, image: Any) -> Any:
        for step in self.steps:
            image = step(image)
        return image


class RandomHorizontalFlip:
    """Mirrors half of the images."""

    def __call__(self, image: Image) -> Image:
        return Image(image.array[:, ::-1]) if torch.rand(1) < 0.5 else image


@dataclass(frozen=True)
class RandomCrop:
    """Pads with black and cuts `size` × `size` out."""

    size: int
    padding: int

    def __call__(self, image: Image) -> Image:
        pad = self.padding
        widths = [(pad, pad), (pad, pad), (0, 0)][: image.array.ndim]
        padded = np.pad(image.array, widths)
        top, left = torch.randint(0, 2 * pad + 1, (2,)).tolist()
        return Image(padded[top : top + self.size, left : left + self.size])


class ToTensor:
    """uint8 [H, W] or [H, W, C] to float [C, H, W] in [0, 1]."""

    def __call__(self, image: Image) -> Tensor:
        array = np.atleast_3d(image.array)
        return torch.from_numpy(array.transpose(2, 0, 1).copy()).float().div(255)


@dataclass(frozen=True)
class Normalize:
    """(x − mean) / deviation, by channel."""

    mean: Sequence[float]
    std: Sequence[float]

    def __call__(self, x: Tensor) -> Tensor:
        mean, std = torch.tensor(self.mean), torch.tensor(self.std)
        return (x - mean.view(-1, 1, 1)) / std.view(-1, 1, 1)
