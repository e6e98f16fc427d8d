from __future__ import annotations

import math
from typing import Any

import pytest
import torch
from torch import nn

from lth_bench.models.conv import Conv2
from lth_bench.models.conv_bn import ConvBN
from lth_bench.models.lenet5 import LeNet5
from lth_bench.models.mlp import MLP, LeNet300100
from lth_bench.models.resnet import ResNet18, ResNet20
from lth_bench.models.vgg import VGG16BN
from lth_bench.models.wide_resnet import WideResNet
from lth_bench.training.randomness import seeded

CIFAR = (3, 32, 32)
PLAIN = [LeNet300100, MLP, LeNet5, Conv2]
NORMED = [ConvBN, ResNet20, ResNet18, VGG16BN, WideResNet]


def deviation(weight: torch.Tensor) -> float:
    assert abs(float(weight.detach().mean())) < 0.01
    return float(weight.detach().std())


@pytest.mark.parametrize("cls", [*PLAIN, *NORMED])
def test_same_generator_same_values(cls: Any) -> None:
    """Initial values are drawn from torch's global generator, and from nothing else."""
    built = []
    for seed in (0, 0, 1):
        with seeded("init", seed):
            built.append(cls().build(CIFAR, 10).state_dict())
    assert built[0].keys() == built[1].keys()
    assert all(torch.equal(built[0][key], built[1][key]) for key in built[0])
    assert any(not torch.equal(built[0][key], built[2][key]) for key in built[0])


@pytest.mark.parametrize("cls", PLAIN)
def test_paper_nets_are_gaussian_glorot(cls: Any) -> None:
    module = cls().build(CIFAR, 10)
    for part in module.modules():
        if isinstance(part, nn.Conv2d | nn.Linear):
            assert part.bias is not None
            assert not part.bias.any()
    weight = module.get_submodule("fc1").weight.detach()
    expected = math.sqrt(2 / (weight.shape[0] + weight.shape[1]))
    assert deviation(weight) == pytest.approx(expected, rel=0.01)
    # a uniform draw of this deviation ends at 1.73 of it
    assert float(weight.abs().max()) > 3.5 * expected


def test_kaiming_normal() -> None:
    weight = MLP(hidden=(300,), init="kaiming_normal").build(CIFAR, 10).get_submodule("fc1").weight
    assert deviation(weight) == pytest.approx(math.sqrt(2 / 3072), rel=0.01)


def test_torch_leaves_the_constructors_draw() -> None:
    module = MLP(hidden=(300,), init="torch").build(CIFAR, 10)
    layer = module.get_submodule("fc1")
    assert float(layer.weight.detach().abs().max()) <= 1 / math.sqrt(3072)
    assert layer.bias.any()


@pytest.mark.parametrize("cls", NORMED)
def test_gamma(cls: Any) -> None:
    for options, gamma in (({}, 1.0), ({"gamma_init": 0.5}, 0.5)):
        module = cls(**options).build(CIFAR, 10)
        norms = [part for part in module.modules() if isinstance(part, nn.BatchNorm2d)]
        assert norms
        for norm in norms:
            assert (norm.weight == gamma).all()
            assert not norm.bias.any()


@pytest.mark.parametrize("model", [MLP(dropout=0.5), WideResNet(depth=10, width=1, dropout=0.5)])
def test_dropout_draws_from_the_global_generator(model: Any) -> None:
    module = model.build((3, 8, 8), 10).train()
    x = torch.randn(4, 3, 8, 8)
    outputs = []
    for seed in (0, 0, 1):
        with seeded("dropout", seed):
            outputs.append(module(x))
    assert torch.equal(outputs[0], outputs[1])
    assert not torch.equal(outputs[0], outputs[2])
    module.eval()
    assert torch.equal(module(x), module(x))


def test_without_dropout_nothing_is_drawn() -> None:
    for model in (MLP(), WideResNet(depth=10, width=1)):
        module = model.build((3, 8, 8), 10).train()
        before = torch.get_rng_state()
        module(torch.zeros(4, 3, 8, 8))
        assert torch.equal(torch.get_rng_state(), before)
