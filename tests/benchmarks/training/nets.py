"""The networks that are measured, with the recipe that both loops train them by."""

from __future__ import annotations

from dataclasses import dataclass, replace

from torch import nn

from lth_bench.models.conv import Conv2, Conv4, Conv6
from lth_bench.models.mlp import LeNet300100
from lth_bench.models.resnet import ResNet18, ResNet20
from lth_bench.training.recipe import Recipe

MNIST = (1, 28, 28)
CIFAR = (3, 32, 32)


@dataclass(frozen=True)
class Net:
    """One network, its data's shape and its recipe."""

    name: str
    model: LeNet300100 | Conv2 | Conv4 | Conv6 | ResNet20 | ResNet18
    shape: tuple[int, int, int]
    """[C, H, W] of an image."""
    recipe: Recipe
    epoch: int
    """Training images of an epoch, where the time of an epoch is quoted."""
    evaluated: bool = False
    """Whether the evaluations on the validation split are timed with the steps."""
    cpu_batch: int = 128
    """Examples a step where a CPU measures; smaller where a step would take seconds."""
    classes: int = 10

    def build(self) -> nn.Module:
        """The module, with initial values from torch's global generator."""
        return self.model.build(self.shape, self.classes)

    def on(self, device: str) -> Net:
        """The same as it is trained there: on a GPU, convolutional networks by autocast to
        bfloat16; on a CPU, in its batch size.
        """
        recipe = self.recipe
        if device == "cpu":
            recipe = replace(recipe, batch_size=min(recipe.batch_size, self.cpu_batch))
        elif self.shape == CIFAR:
            recipe = replace(recipe, dtype="bfloat16")
        return replace(self, recipe=recipe)


# a validation split of ten images and no regular evaluation: what is timed is steps
_ADAM = dict(optimizer="adam", steps=1_000_000, val_size=10, eval_every=1_000_000)
_SUITE = dict(optimizer="adam", batch_size=60, val_size=5000, eval_every=100)
_SGD = dict(optimizer="sgd", lr=0.1, momentum=0.9, weight_decay=1e-4, steps=1_000_000)
_SGD |= dict(val_size=10, eval_every=1_000_000, crop=4, flip=True)

NETS = {
    net.name: net
    for net in (
        Net("lenet_300_100", LeNet300100(), MNIST, Recipe(lr=1.2e-3, **_ADAM), 60_000),
        Net("conv2", Conv2(), CIFAR, Recipe(lr=2e-4, crop=4, flip=True, **_ADAM), 50_000),
        Net("resnet20", ResNet20(), CIFAR, Recipe(**_SGD), 50_000),
        Net("resnet18", ResNet18(), CIFAR, Recipe(**_SGD), 50_000, cpu_batch=32),
        # as the suite cifar_conv trains them
        Net("conv2_60", Conv2(), CIFAR, Recipe(lr=2e-4, steps=20_000, **_SUITE), 45_000, True),
        Net("conv4_60", Conv4(), CIFAR, Recipe(lr=3e-4, steps=25_000, **_SUITE), 45_000, True),
        Net("conv6_60", Conv6(), CIFAR, Recipe(lr=3e-4, steps=30_000, **_SUITE), 45_000, True),
    )
}

SIDE_BY_SIDE = ("lenet_300_100", "conv2", "resnet20", "resnet18")
"""What every run compares. The others serve the estimate of `cifar_conv` on a GPU."""


def net_on(name: str, device: str) -> Net:
    """A network as it is trained on a device."""
    return NETS[name].on(device)
