"""FLOPs against published counts and against torch's own counter."""

from __future__ import annotations

import pytest
import torch
import torch.nn.functional as F
from torch import nn
from torch.utils.flop_counter import FlopCounterMode

from lth_bench.models.mlp import LeNet300100
from lth_bench.models.prunable import prunable_layers
from lth_bench.models.resnet import ResNet20
from lth_bench.training.flops import count_flops


def test_lenet_by_hand():
    module = LeNet300100().build((1, 28, 28), 10)
    flops = count_flops(module, prunable_layers(module, (1, 28, 28), 10), (1, 28, 28))
    weights = 784 * 300 + 300 * 100 + 100 * 10
    assert flops.forward == 2 * weights == 532_400
    # backward costs twice the forward pass, but nobody needs the gradient by the image
    assert flops.step == 3 * 2 * weights - 2 * 784 * 300 == 1_126_800
    layer = flops.layers["fc1"]
    assert (layer.forward, layer.by_input, layer.by_weight) == (470_400, 0, 470_400)


def test_a_masked_step_by_hand():
    module = LeNet300100().build((1, 28, 28), 10)
    flops = count_flops(module, prunable_layers(module, (1, 28, 28), 10), (1, 28, 28))
    density = {"fc1": 0.1, "fc2": 0.5, "fc3": 1.0}
    # fc1 twice (forward, by weight), fc2 and fc3 three times
    sparse = 2 * (2 * 23_520 + 3 * 15_000 + 3 * 1_000)
    assert flops.masked_step(density) == pytest.approx(sparse)
    # with dense gradients by the weight the pruned 90% of fc1 and half of fc2 come back once
    rewiring = sparse + 2 * (235_200 - 23_520) + 2 * 15_000
    assert flops.masked_step(density, dense_gradients=True) == pytest.approx(rewiring)
    assert flops.masked_step(dict.fromkeys(density, 1.0)) == flops.step


def test_a_convolution_by_hand():
    # 3×3 kernels on 5×5 positions after stride 2 and no padding: 2×2 positions
    module = nn.Sequential(nn.Conv2d(2, 6, 3, stride=2, groups=2), nn.Flatten(), nn.Linear(24, 3))
    flops = count_flops(module, prunable_layers(module, (2, 5, 5), 3), (2, 5, 5))
    assert flops.layers["0"].forward == 2 * (6 * 1 * 9) * 4
    assert flops.layers["2"].forward == 2 * 72
    assert flops.step == 2 * flops.layers["0"].forward + 3 * 144


@pytest.mark.parametrize("model", ["resnet20", "shared"])
def test_torch_counts_the_same(model):
    shape = (3, 32, 32) if model == "resnet20" else (1, 1, 4)
    module = ResNet20().build(shape, 10) if model == "resnet20" else Twice()
    flops = count_flops(module, prunable_layers(module, shape, 10), shape)
    x = torch.randn(2, *shape)
    with FlopCounterMode(display=False) as forward, torch.no_grad():
        module.eval()(x)
    assert 2 * flops.forward == forward.get_total_flops()
    module.train()
    with FlopCounterMode(display=False) as step:
        F.cross_entropy(module(x), torch.tensor([1, 2])).backward()
    assert 2 * flops.step == step.get_total_flops()


class ViT(nn.Module):
    """As people write it by hand: 8×8 images, patches of 2×2, one block of width 32."""

    def __init__(self):
        super().__init__()
        self.patch = nn.Conv2d(1, 32, 2, stride=2)
        self.cls = nn.Parameter(torch.zeros(1, 1, 32))
        self.position = nn.Parameter(torch.zeros(1, 17, 32))
        self.norm1, self.norm2 = nn.LayerNorm(32), nn.LayerNorm(32)
        self.attention = nn.MultiheadAttention(32, 4, batch_first=True)
        self.fc1, self.fc2 = nn.Linear(32, 64), nn.Linear(64, 32)
        self.head = nn.Linear(32, 10)

    def forward(self, x):
        x = self.patch(x).flatten(2).transpose(1, 2)
        x = torch.cat([self.cls.expand(len(x), -1, -1), x], 1) + self.position
        y = self.norm1(x)
        x = x + self.attention(y, y, y, need_weights=False)[0]
        x = x + self.fc2(F.gelu(self.fc1(self.norm2(x))))
        return self.head(x[:, 0])


def test_a_layer_that_is_not_called_counts():
    """Attention uses its matrix for query, key and value, which is no layer's, and its output
    layer's weight without calling the layer.
    """
    flops = count_flops(ViT(), prunable_layers(ViT(), (1, 8, 8), 10), (1, 8, 8))
    patch, tokens = 2 * 16 * 32 * 4, 2 * 17
    assert flops.layers["attention.out_proj"].forward == tokens * 32 * 32
    assert flops.layers["attention/in_proj_weight"].forward == tokens * 3 * 32 * 32
    expected = 2 * patch + 3 * (tokens * (4 * 32 * 32 + 2 * 32 * 64) + 2 * 320)
    assert flops.step == expected == 845_696


class Functional(nn.Module):
    """Weights used by hand: transposed, sliced, side by side, tied, frozen, without gradients."""

    def __init__(self):
        super().__init__()
        self.first, self.second = nn.Linear(6, 4), nn.Linear(6, 4)
        self.tied, self.frozen = nn.Linear(8, 8), nn.Linear(8, 8)
        self.frozen.requires_grad_(False)
        self.out = nn.Linear(8, 10)

    def forward(self, x):
        x = x.flatten(1)
        both = torch.cat([self.first.weight, self.second.weight])
        h = F.linear(x, both).relu()
        h = torch.einsum("nd,de->ne", h, self.tied.weight)
        h = h + h @ self.tied.weight.t()
        with torch.no_grad():
            more = self.frozen(h)
        h = h + more
        h = F.linear(h, self.frozen.weight[:, :]).relu()
        return self.out(h)


def test_weights_used_by_hand():
    module = Functional()
    flops = count_flops(module, prunable_layers(module, (1, 2, 3), 10), (1, 2, 3)).layers
    costs = {n: (x.forward, x.by_input, x.by_weight) for n, x in flops.items()}
    assert costs == {
        "first": (48, 0, 48),
        "second": (48, 0, 48),
        "tied": (2 * 128, 2 * 128, 2 * 128),
        "frozen": (2 * 128, 128, 0),
        "out": (160, 160, 160),
    }


def test_a_network_that_takes_no_three_examples():
    class Two(nn.Sequential):
        def forward(self, x):
            assert len(x) == 2
            return super().forward(x)

    module = Two(nn.Flatten(), nn.Linear(6, 4), nn.Linear(4, 10))
    flops = count_flops(module, prunable_layers(module, (1, 2, 3), 10), (1, 2, 3))
    assert {n: x.forward for n, x in flops.layers.items()} == {"1": 48, "2": 80}


class Twice(nn.Module):
    """A layer that is used twice."""

    def __init__(self):
        super().__init__()
        self.inner, self.out = nn.Linear(4, 4), nn.Linear(4, 10)

    def forward(self, x):
        return self.out(self.inner(self.inner(x.flatten(1)).relu()))


def test_counting_changes_nothing():
    module = LeNet300100().build((1, 28, 28), 10)
    before = {k: v.clone() for k, v in module.state_dict().items()}
    count_flops(module, prunable_layers(module, (1, 28, 28), 10), (1, 28, 28))
    assert module.training
    assert all(torch.equal(v, before[k]) for k, v in module.state_dict().items())
    assert not module.fc1._forward_hooks
