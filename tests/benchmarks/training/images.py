"""A dataset as research code has it: an image at a time, through PIL and torchvision's transforms.

Where torchvision is not installed, the transforms of `plain_transforms.py` do the same; a result
says which of the two it was measured with.
"""

from __future__ import annotations

import importlib.util
from collections.abc import Callable
from typing import Any

from torch import Tensor
from torch.utils.data import Dataset

from training import plain_transforms

STATISTICS = {
    1: ((0.1307,), (0.3081,)),  # MNIST's, as everybody writes them
    3: ((0.4914, 0.4822, 0.4465), (0.2023, 0.1994, 0.2010)),  # CIFAR-10's, likewise
}
"""Mean and deviation of each channel, by the number of channels."""


class Images(Dataset[tuple[Tensor, int]]):
    """uint8 images [N, C, H, W] and labels [N], each converted when it is asked for."""

    def __init__(self, x: Tensor, y: Tensor, crop: int = 0, flip: bool = False) -> None:
        # as torchvision's datasets hold them: [N, H, W], or [N, H, W, C] in colour
        self._x = x[:, 0] if x.shape[1] == 1 else x.permute(0, 2, 3, 1).contiguous()
        self._y = y.tolist()
        self._open, self._transform = transforms((x.shape[1], x.shape[2]), crop, flip)

    def __len__(self) -> int:
        return len(self._y)

    def __getitem__(self, index: int) -> tuple[Tensor, int]:
        return self._transform(self._open(self._x[index].numpy())), self._y[index]


def transforms(shape: tuple[int, int], crop: int, flip: bool) -> tuple[Callable[..., Any], Any]:
    """What makes an image of an array, and what makes a normalised float [C, H, W] of the image.

    `shape` is (C, H). `crop` pads by that many pixels and crops at random; `flip` mirrors half.
    """
    channels, size = shape
    if decoder() == "torchvision":
        from PIL.Image import fromarray
        from torchvision import transforms as t
    else:
        t, fromarray = plain_transforms, plain_transforms.Image
    steps: list[Any] = [t.RandomHorizontalFlip()] if flip else []
    if crop:
        steps.append(t.RandomCrop(size, crop))
    return fromarray, t.Compose([*steps, t.ToTensor(), t.Normalize(*STATISTICS[channels])])


def decoder() -> str:
    """`torchvision`, or `plain` where it or PIL cannot be imported."""
    there = all(importlib.util.find_spec(name) for name in ("PIL", "torchvision"))
    return "torchvision" if there else "plain"
