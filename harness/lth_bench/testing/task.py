"""The tiny task that strategies are tested on: three classes of 6×6 images, six training steps.

It is not meant to be learnt well. It has everything a strategy may encounter: the end of an epoch,
evaluations during training, momentum, augmentation, a validation split.
"""

from __future__ import annotations

from functools import cache

import torch

from lth_bench.data.arrays import Arrays
from lth_bench.training.input.resident import ResidentSplit
from lth_bench.training.recipe import Recipe

TRAIN, VAL, TEST = 144, 36, 48
"""Examples in each split. A batch of 128, a common default, fits into the training split."""

RECIPE = Recipe(
    lr=0.05, momentum=0.9, steps=6, batch_size=36, val_size=VAL, eval_every=2, crop=1, flip=True
)
"""Six steps; an epoch has four."""


@cache
def arrays() -> Arrays:
    """The images, the same in every process."""
    rng = torch.Generator().manual_seed(11)
    shapes = torch.rand(3, 1, 6, 6, generator=rng)

    def images(n: int) -> tuple[torch.Tensor, torch.Tensor]:
        y = torch.randint(0, 3, (n,), generator=rng)
        x = 130 * shapes[y] + 120 * torch.rand(n, 1, 6, 6, generator=rng)
        return x.to(torch.uint8), y

    return Arrays(*images(TRAIN + VAL), *images(TEST), classes=3)


def unseen(poisoned: bool) -> ResidentSplit:
    """The test split; if `poisoned`, with other images and labels."""
    data = arrays()
    if not poisoned:
        return ResidentSplit(data.test_x.clone(), data.test_y.clone())
    return ResidentSplit(255 - data.test_x, (data.test_y + 1) % data.classes)
