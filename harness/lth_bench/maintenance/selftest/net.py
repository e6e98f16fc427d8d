"""The networks of a self-test, with the shape of their data and their recipes."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import torch
from torch import Tensor, nn

from lth_bench.data.arrays import Arrays
from lth_bench.models.conv_bn import ConvBN
from lth_bench.models.mlp import LeNet300100
from lth_bench.models.resnet import ResNet20
from lth_bench.training.recipe import Recipe

MNIST = (1, 28, 28)
CIFAR = (3, 32, 32)


@dataclass(frozen=True, kw_only=True)
class Net:
    """One network, its data's shape and its recipe."""

    name: str
    model: Any
    """A model with the method `build(shape, classes)`, as model plugins have."""
    shape: tuple[int, int, int]
    """[C, H, W] of an image."""
    recipe: Recipe
    epoch: int = 0
    """Training images in an epoch, to report the time of an epoch; 0: not reported."""
    evaluated: bool = False
    """Whether timings include the evaluations on the validation split."""
    cpu_batch: int = 128
    """Largest batch size on a CPU; smaller for networks whose steps would take seconds."""
    classes: int = 10

    def build(self) -> nn.Module:
        """The module, with initial values from torch's global generator."""
        module: nn.Module = self.model.build(self.shape, self.classes)
        return module

    def on(self, device: str) -> Net:
        """The network with its recipe for the device: on a GPU that supports it, convolutional
        networks use autocast to bfloat16; on a CPU, batches have at most `cpu_batch` images.
        """
        recipe = self.recipe
        if device == "cpu":
            recipe = replace(recipe, batch_size=min(recipe.batch_size, self.cpu_batch))
        elif self.shape == CIFAR and has_bfloat16(device):
            recipe = replace(recipe, dtype="bfloat16")
        return replace(self, recipe=recipe)


def has_bfloat16(device: str) -> bool:
    """Whether a GPU supports bfloat16 in hardware."""
    return torch.cuda.get_device_capability(device) >= (8, 0)


LONG = 1_000_000
"""Steps of a recipe whose training ends with the measurement, long before."""
ADAM = Recipe(
    optimizer="adam", lr=1.2e-3, batch_size=128, steps=LONG, val_size=1000, eval_every=LONG
)
SGD = Recipe(
    optimizer="sgd", lr=0.1, momentum=0.9, weight_decay=1e-4, batch_size=128, steps=LONG,
    val_size=1000, eval_every=LONG, crop=4, flip=True,
)  # fmt: skip

MADE: dict[str, Callable[[], Net]] = {
    "lenet_300_100": lambda: Net(
        name="lenet_300_100", model=LeNet300100(), shape=MNIST, recipe=ADAM, epoch=60_000
    ),
    "resnet20": lambda: Net(
        name="resnet20", model=ResNet20(), shape=CIFAR, recipe=SGD, epoch=50_000
    ),
    "conv_bn": lambda: Net(
        name="conv_bn", model=ConvBN(), shape=CIFAR, recipe=SGD, epoch=50_000, cpu_batch=32
    ),
}
"""A fully connected network, a convolutional one, and a small one with batch norm in which rounding
errors grow slowly.
"""


def made(shape: tuple[int, int, int], size: int, test_size: int = 10_000) -> Arrays:
    """Synthetic images [size, *shape] that can be classified: a pattern per class, plus noise."""
    draws = torch.Generator().manual_seed(0)
    coarse = torch.rand(10, shape[0], 4, 4, generator=draws)
    patterns = torch.nn.functional.interpolate(coarse, shape[1:], mode="bilinear")
    splits: list[Tensor] = []
    for n in (size, test_size):
        y = torch.randint(10, (n,), generator=draws)
        noise = torch.randint(0, 128, (n, *shape), generator=draws, dtype=torch.uint8)
        splits += [(127 * patterns).to(torch.uint8)[y] + noise, y]
    train_x, train_y, test_x, test_y = splits
    return Arrays(train_x, train_y, test_x, test_y, classes=10)
