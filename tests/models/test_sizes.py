"""The networks have the published numbers of weights, and take other inputs where they can."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch.utils.flop_counter import FlopCounterMode

from lth_bench.data.info import InputShape
from lth_bench.errors import UserError
from lth_bench.masks.layers import Layer
from lth_bench.models.conv import Conv2, Conv4, Conv6
from lth_bench.models.conv1d import Conv1D
from lth_bench.models.conv_bn import ConvBN
from lth_bench.models.lenet5 import LeNet5
from lth_bench.models.lstm import LSTM
from lth_bench.models.mlp import MLP, LeNet300100
from lth_bench.models.mlp_mixer import MLPMixer
from lth_bench.models.prunable import prunable_layers
from lth_bench.models.resnet import ResNet18, ResNet20, ResNet56
from lth_bench.models.vgg import VGG16BN, VGG19BN
from lth_bench.models.vit import ViT
from lth_bench.models.wide_resnet import WideResNet
from lth_bench.training.flops import count_flops

MNIST, CIFAR, DIGITS = (1, 28, 28), (3, 32, 32), (1, 8, 8)


def layers_of(model: Any, shape: tuple[int, int, int], classes: int = 10) -> tuple[Layer, ...]:
    with torch.device("meta"):
        module = model.build(shape, classes)
    return prunable_layers(module, shape, classes)


@pytest.mark.parametrize(
    ("model", "shape", "weights", "conv"),
    [
        (LeNet300100(), MNIST, 266_200, 0),
        (LeNet5(), MNIST, 430_500, 25_500),
        (Conv2(), CIFAR, 4_300_992, 38_592),
        (Conv4(), CIFAR, 2_425_024, 259_776),
        (Conv6(), CIFAR, 2_261_184, 1_144_512),
        (ConvBN(), DIGITS, 14_288, 13_968),
        # the published 270K of ResNet-20 and 2,560 of the convolutions on shortcuts
        (ResNet20(), CIFAR, 270_896, 267_696 + 2_560),
        (ResNet56(), CIFAR, 851_504, 850_864),
        (ResNet18(), CIFAR, 11_164_352, 11_159_232),
        (VGG16BN(), CIFAR, 14_715_584, 14_710_464),
        (VGG19BN(), CIFAR, 20_024_000, 20_018_880),
        # 64 · 3·4·4 of the patches; 4 blocks of 4 · 64² and 2 · 64 · 128; a head of 64 · 10
        (ViT(), CIFAR, 3_072 + 4 * 32_768 + 640, 3_072),
        (ViT(patch=2), DIGITS, 256 + 4 * 32_768 + 640, 256),
        # 4 blocks of 2 · 64 · 32 over the 64 patches and 2 · 64 · 128
        (MLPMixer(), CIFAR, 3_072 + 4 * (4_096 + 16_384) + 640, 3_072),
        # over 16 patches
        (MLPMixer(patch=2), DIGITS, 256 + 4 * (1_024 + 16_384) + 640, 256),
        # four gates of 64, each of 8 pixels and of 64 numbers of the state
        (LSTM(), DIGITS, 4 * 64 * (8 + 64) + 640, 0),
        (LSTM(layers=2), DIGITS, 4 * 64 * (8 + 64) + 4 * 64 * (64 + 64) + 640, 0),
        (Conv1D(), DIGITS, 8 * 32 * 7 + 32 * 64 * 5 + 64 * 32 * 3 + 320, 18_176),
        (WideResNet(depth=22, width=2), CIFAR, 1_076_912, 1_075_632),
        (WideResNet(depth=28, width=10), CIFAR, 36_461_232, 36_454_832),
    ],
    ids=lambda x: type(x).__name__ if hasattr(x, "build") else None,
)
def test_weights(model: Any, shape: tuple[int, int, int], weights: int, conv: int) -> None:
    layers = layers_of(model, shape)
    assert sum(layer.numel for layer in layers) == weights
    assert sum(layer.numel for layer in layers if layer.kind == "conv") == conv
    assert [layer.kind for layer in layers].count("output") == 1


def test_lenet_has_the_papers_parameters() -> None:
    module = LeNet300100().build(MNIST, 10)
    assert sum(p.numel() for p in module.parameters()) == 266_610
    assert [x.shape for x in layers_of(LeNet300100(), MNIST)] == [(300, 784), (100, 300), (10, 100)]


@pytest.mark.parametrize("shape", [DIGITS, MNIST, CIFAR, (3, 33, 20)])
@pytest.mark.parametrize(
    "model",
    [MLP(), Conv2(), Conv6(), ConvBN(), ResNet20(), WideResNet(depth=10), LSTM(), Conv1D()],
)
def test_other_inputs_and_classes(model: Any, shape: tuple[int, int, int]) -> None:
    module = model.build(shape, 7).eval()
    assert module(torch.zeros(2, *shape)).shape == (2, 7)
    assert layers_of(model, shape, 7)[-1].shape[0] == 7


@pytest.mark.parametrize(
    ("model", "shape", "least"),
    [(VGG16BN(), DIGITS, 32), (VGG19BN(), (3, 32, 31), 32), (LeNet5(), DIGITS, 16)],
)
def test_images_too_small(model: Any, shape: tuple[int, int, int], least: int) -> None:
    with pytest.raises(
        UserError, match=rf"at least {least}×{least}.*but got {shape[1]}×{shape[2]}"
    ):
        model.build(shape, 10)


def test_smallest_images() -> None:
    assert VGG16BN().build((3, 32, 32), 10).eval()(torch.zeros(1, 3, 32, 32)).shape == (1, 10)
    assert LeNet5().build((1, 16, 16), 10)(torch.zeros(1, 1, 16, 16)).shape == (1, 10)


def test_mlp_sizes() -> None:
    def hidden(**options: Any) -> list[int]:
        return [layer.shape[0] for layer in layers_of(MLP(**options), DIGITS)]

    assert hidden(hidden=(64, 32, 16)) == [64, 32, 16, 10]
    assert hidden(hidden=(300, 100), width=0.25) == [75, 25, 10]
    assert hidden(hidden=(3,), width=0.01) == [1, 10]
    assert hidden(hidden=()) == [10]


def test_wide_resnet_depths() -> None:
    with pytest.raises(ValueError, match=r"depth must be 6n \+ 4.*but got 20; .* 16 and 22"):
        WideResNet(depth=20)


def test_resnet20_has_the_published_flops() -> None:
    with torch.device("meta"):
        module = ResNet20().build(CIFAR, 10)
        with FlopCounterMode(display=False) as counter, torch.no_grad():
            module.eval()(torch.zeros(1, *CIFAR))
    # 2 a multiply-add, convolutions on shortcuts included
    assert counter.get_total_flops() == 81_626_368


@pytest.mark.parametrize(
    ("model", "shape", "flops"),
    [
        # 2 a multiply-add. 16 patches; blocks at 17 places, the head once
        (ViT(patch=2), DIGITS, 2 * (16 * 256 + 17 * 4 * 32_768 + 640)),
        # over the patches once for each of 64 channels
        (MLPMixer(patch=2), DIGITS, 2 * (16 * 256 + 4 * (64 * 1_024 + 16 * 16_384) + 640)),
        # both matrices at each of 8 rows
        (LSTM(), DIGITS, 2 * (8 * 4 * 64 * (8 + 64) + 640)),
        (Conv1D(), DIGITS, 2 * (8 * (1_792 + 10_240 + 6_144) + 320)),
    ],
)
def test_flops_by_hand(model: Any, shape: tuple[int, int, int], flops: int) -> None:
    module = model.build(shape, 10)
    assert count_flops(module, prunable_layers(module, shape, 10), shape).forward == flops


@pytest.mark.parametrize("model", [ViT(patch=3), MLPMixer(patch=3)])
def test_patches_divide_the_image(model: Any) -> None:
    with pytest.raises(
        UserError, match=r"must divide both sides of 8×8 pixels \(1, 2, 4, 8\), but"
    ):
        model.build(DIGITS, 10)
    with pytest.raises(UserError, match="takes images"):
        model.build(InputShape((9,), "tokens", 5), 10)
