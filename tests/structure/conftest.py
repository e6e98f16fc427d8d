"""Small networks that couple units in every way the models do, and some that must be refused."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from itertools import pairwise

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from lth_bench.masks import Layer


@dataclass(frozen=True)
class Net:
    module: nn.Module
    shape: tuple[int, int, int]
    layers: tuple[Layer, ...]


def mlp(*sizes: int) -> nn.Module:
    parts: list[nn.Module] = [nn.Flatten()]
    for i, (a, b) in enumerate(pairwise(sizes)):
        parts += [nn.ReLU()] * (i > 0) + [nn.Linear(a, b)]
    return nn.Sequential(*parts)


class ConvBN(nn.Module):
    """Convolution, batch norm, global pooling, linear."""

    def __init__(self) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(1, 6, 3, padding=1, bias=False)
        self.bn1 = nn.BatchNorm2d(6)
        self.conv2 = nn.Conv2d(6, 5, 3, padding=1)
        self.bn2 = nn.BatchNorm2d(5)
        self.fc = nn.Linear(5, 10)

    def forward(self, x: Tensor) -> Tensor:
        x = F.max_pool2d(F.relu(self.bn1(self.conv1(x))), 2)
        x = F.relu(self.bn2(self.conv2(x)))
        return self.fc(F.adaptive_avg_pool2d(x, 1).flatten(1))


def conv_flat() -> nn.Module:
    """As conv2: convolutions, max-pooling, flattening, two linear layers."""
    return nn.Sequential(
        nn.Conv2d(2, 4, 3, padding=1),
        nn.ReLU(),
        nn.Conv2d(4, 3, 3, padding=1),
        nn.ReLU(),
        nn.MaxPool2d(2),
        nn.Flatten(),
        nn.Linear(3 * 3 * 3, 7),
        nn.ReLU(),
        nn.Linear(7, 10),
    )


class Block(nn.Module):
    def __init__(self, a: int, b: int, stride: int) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(a, b, 3, stride, 1, bias=False)
        self.bn1 = nn.BatchNorm2d(b)
        self.conv2 = nn.Conv2d(b, b, 3, 1, 1, bias=False)
        self.bn2 = nn.BatchNorm2d(b)
        self.shortcut = nn.Sequential()
        if stride > 1 or a != b:
            self.shortcut = nn.Sequential(nn.Conv2d(a, b, 1, stride, bias=False), nn.BatchNorm2d(b))

    def forward(self, x: Tensor) -> Tensor:
        y = self.bn2(self.conv2(F.relu(self.bn1(self.conv1(x)))))
        return F.relu(y + self.shortcut(x))


class ResNet(nn.Module):
    """The CIFAR family with convolutions on its shortcuts; three blocks a stage is ResNet-20."""

    def __init__(self, widths: tuple[int, ...], blocks: int) -> None:
        super().__init__()
        self.conv = nn.Conv2d(3, widths[0], 3, 1, 1, bias=False)
        self.bn = nn.BatchNorm2d(widths[0])
        parts, before = [], widths[0]
        for i, width in enumerate(widths):
            for j in range(blocks):
                parts.append(Block(before, width, 2 if i > 0 and j == 0 else 1))
                before = width
        self.blocks = nn.Sequential(*parts)
        self.fc = nn.Linear(before, 10)

    def forward(self, x: Tensor) -> Tensor:
        x = self.blocks(F.relu(self.bn(self.conv(x))))
        return self.fc(F.adaptive_avg_pool2d(x, 1).flatten(1))


class PreActivation(nn.Module):
    """As a wide ResNet: batch norm after the residual sum."""

    def __init__(self) -> None:
        super().__init__()
        self.conv = nn.Conv2d(3, 4, 3, 1, 1, bias=False)
        self.bn1 = nn.BatchNorm2d(4)
        self.conv1 = nn.Conv2d(4, 5, 3, 1, 1, bias=False)
        self.bn2 = nn.BatchNorm2d(5)
        self.conv2 = nn.Conv2d(5, 4, 3, 1, 1, bias=False)
        self.bn3 = nn.BatchNorm2d(4)
        self.fc = nn.Linear(4, 10)

    def forward(self, x: Tensor) -> Tensor:
        x = self.conv(x)
        x = x + self.conv2(F.relu(self.bn2(self.conv1(F.relu(self.bn1(x))))))
        return self.fc(F.adaptive_avg_pool2d(F.relu(self.bn3(x)), 1).flatten(1))


class Concat(nn.Module):
    """As a DenseNet: a layer and a norm that read two groups side by side."""

    def __init__(self) -> None:
        super().__init__()
        self.a = nn.Conv2d(1, 3, 3, padding=1)
        self.b = nn.Conv2d(3, 4, 3, padding=1)
        self.bn = nn.BatchNorm2d(7)
        self.c = nn.Conv2d(7, 5, 3, padding=1)
        self.fc = nn.Linear(5 * 4, 10)

    def forward(self, x: Tensor) -> Tensor:
        a = F.relu(self.a(x))
        x = torch.cat([a, F.relu(self.b(a))], 1)
        x = F.relu(self.c(F.relu(self.bn(x))))
        return self.fc(F.adaptive_avg_pool2d(x, 2).flatten(1))


def depthwise() -> nn.Module:
    """As a MobileNet: a depthwise convolution couples its inputs to its outputs."""
    return nn.Sequential(
        nn.Conv2d(2, 6, 1),
        nn.BatchNorm2d(6),
        nn.ReLU(),
        nn.Conv2d(6, 6, 3, padding=1, groups=6),
        nn.BatchNorm2d(6),
        nn.ReLU6(),
        nn.Conv2d(6, 4, 1),
        nn.PReLU(4),
        nn.AdaptiveAvgPool2d(1),
        nn.Flatten(),
        nn.Linear(4, 10),
    )


def vgg_bn(*widths: int) -> nn.Module:
    parts: list[nn.Module] = []
    before = 3
    for width in widths:
        parts += [
            nn.Conv2d(before, width, 3, padding=1),
            nn.BatchNorm2d(width),
            nn.ReLU(inplace=True),
            nn.MaxPool2d(2),
        ]
        before = width
    return nn.Sequential(*parts, nn.Flatten(), nn.Linear(before, 8), nn.ReLU(), nn.Linear(8, 10))


NETS: dict[str, tuple[Callable[[], nn.Module], tuple[int, int, int]]] = {
    "mlp": (lambda: mlp(16, 8, 6, 10), (1, 4, 4)),
    "conv_bn": (ConvBN, (1, 8, 8)),
    "conv_flat": (conv_flat, (2, 6, 6)),
    "resnet": (lambda: ResNet((4, 5, 6), 1), (3, 8, 8)),
    "pre_activation": (PreActivation, (3, 6, 6)),
    "concat": (Concat, (1, 6, 6)),
    "depthwise": (depthwise, (2, 5, 5)),
    "vgg_bn": (lambda: vgg_bn(6, 7, 8), (3, 8, 8)),
    # as published, for what is not tried unit by unit
    "lenet_300_100": (lambda: mlp(64, 300, 100, 10), (1, 8, 8)),
    "resnet20": (lambda: ResNet((16, 32, 64), 3), (3, 32, 32)),
    "vgg_bn_wide": (lambda: vgg_bn(64, 128, 256, 512), (3, 16, 16)),
}


@pytest.fixture(scope="session")
def make_net() -> Callable[[str], Net]:
    """A network by name, with random values that leave most units alive."""

    def make(name: str, seed: int = 0) -> Net:
        build, shape = NETS[name]
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            module = build()
            for part in module.modules():
                if isinstance(part, nn.Conv2d | nn.Linear) and part.bias is not None:
                    nn.init.uniform_(part.bias, 0.5, 1.0)
                if isinstance(part, nn.BatchNorm2d):
                    nn.init.uniform_(part.weight, 0.5, 1.5)
                    nn.init.uniform_(part.bias, 0.5, 1.0)
                    nn.init.normal_(part.running_mean, std=0.1)
                    nn.init.uniform_(part.running_var, 0.5, 1.5)
        found = [(n, m) for n, m in module.named_modules() if isinstance(m, nn.Conv2d | nn.Linear)]
        layers = tuple(
            Layer(
                n,
                "output" if n == found[-1][0] else "conv" if isinstance(m, nn.Conv2d) else "linear",
                tuple(m.weight.shape),
            )
            for n, m in found
        )
        return Net(module, shape, layers)

    return make
