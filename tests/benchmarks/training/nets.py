"""The networks that are measured, with the recipe that both loops train them by."""

from __future__ import annotations

from lth_bench.maintenance.selftest.net import CIFAR, MNIST, Net
from lth_bench.models.conv import Conv2, Conv4, Conv6
from lth_bench.models.mlp import LeNet300100
from lth_bench.models.resnet import ResNet18, ResNet20
from lth_bench.training.recipe import Recipe

__all__ = ["CIFAR", "MNIST", "NETS", "SIDE_BY_SIDE", "Net", "net_on"]

# a validation split of ten images and no regular evaluation: what is timed is steps
_ADAM = dict(optimizer="adam", steps=1_000_000, val_size=10, eval_every=1_000_000)
_SUITE = dict(optimizer="adam", batch_size=60, val_size=5000, eval_every=100)
_SGD = dict(optimizer="sgd", lr=0.1, momentum=0.9, weight_decay=1e-4, steps=1_000_000)
_SGD |= dict(val_size=10, eval_every=1_000_000, crop=4, flip=True)

NETS = {
    net.name: net
    for net in (
        Net(
            name="lenet_300_100",
            model=LeNet300100(),
            shape=MNIST,
            recipe=Recipe(lr=1.2e-3, **_ADAM),
            epoch=60_000,
        ),
        Net(
            name="conv2",
            model=Conv2(),
            shape=CIFAR,
            recipe=Recipe(lr=2e-4, crop=4, flip=True, **_ADAM),
            epoch=50_000,
        ),
        Net(name="resnet20", model=ResNet20(), shape=CIFAR, recipe=Recipe(**_SGD), epoch=50_000),
        Net(
            name="resnet18",
            model=ResNet18(),
            shape=CIFAR,
            recipe=Recipe(**_SGD),
            epoch=50_000,
            cpu_batch=32,
        ),
        # as the suite cifar_conv trains them
        Net(
            name="conv2_60",
            model=Conv2(),
            shape=CIFAR,
            recipe=Recipe(lr=2e-4, steps=20_000, **_SUITE),
            epoch=45_000,
            evaluated=True,
        ),
        Net(
            name="conv4_60",
            model=Conv4(),
            shape=CIFAR,
            recipe=Recipe(lr=3e-4, steps=25_000, **_SUITE),
            epoch=45_000,
            evaluated=True,
        ),
        Net(
            name="conv6_60",
            model=Conv6(),
            shape=CIFAR,
            recipe=Recipe(lr=3e-4, steps=30_000, **_SUITE),
            epoch=45_000,
            evaluated=True,
        ),
    )
}

SIDE_BY_SIDE = ("lenet_300_100", "conv2", "resnet20", "resnet18")
"""What every run compares. The others serve the estimate of `cifar_conv` on a GPU."""


def net_on(name: str, device: str) -> Net:
    """A network as it is trained on a device."""
    return NETS[name].on(device)
