"""Which networks are stacked, and how; and that each trains as it does alone."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from typing import Any, ClassVar

import pytest
import torch
import torch.nn.functional as F
from torch import nn

from lth_bench.models.conv import Conv2, Conv4
from lth_bench.models.conv_bn import ConvBN
from lth_bench.models.lenet5 import LeNet5
from lth_bench.models.mlp import MLP, LeNet300100
from lth_bench.models.resnet import ResNet18, ResNet20
from lth_bench.models.vgg import VGG16BN
from lth_bench.models.wide_resnet import WideResNet
from lth_bench.training.behaviour import side_effects_of
from lth_bench.training.engine.layouts import make_layout
from lth_bench.training.engine.layouts.stacked import Explicit, Vmapped
from lth_bench.training.engine.stacking.agree import how_it_stacks
from lth_bench.training.recipe import Recipe

DOUBLE = Recipe(lr=0.05, steps=8, batch_size=20, val_size=60, eval_every=4, dtype="float64")


@dataclass(frozen=True)
class SmallVGG(VGG16BN):
    """VGG's code at a size for tests."""

    stages: ClassVar[Any] = ((4, 1), (6, 2), (6, 1), (6, 1), (6, 1))


class SmallResNet18(ResNet18):
    """ResNet-18's code at a size for tests."""

    def build(self, input_shape, classes):
        from lth_bench.models.resnet import CifarResNet

        return CifarResNet(input_shape[0], classes, [4, 6, 8, 8], [2] * 4)


@pytest.mark.parametrize(
    ("model", "shape", "expected"),
    [
        (LeNet300100(), (1, 6, 6), "explicit"),
        (MLP(hidden=()), (1, 6, 6), "explicit"),
        (MLP(hidden=(9, 5), dropout=0.3), (1, 6, 6), None),
        (ConvBN(), (1, 6, 6), "explicit"),
        (LeNet5(), (1, 16, 16), "explicit"),
        (Conv2(), (3, 8, 8), "explicit"),
        (Conv4(), (1, 8, 8), "explicit"),
        (ResNet20(), (3, 8, 8), "explicit"),
        (SmallResNet18(), (3, 8, 8), "explicit"),
        (WideResNet(depth=10, width=1), (3, 8, 8), "explicit"),
        (WideResNet(depth=10, width=1, dropout=0.2), (3, 8, 8), None),
        (SmallVGG(), (3, 32, 32), "explicit"),
    ],
    ids=lambda v: type(v).__name__ if dataclasses.is_dataclass(v) else None,
)
def test_built_in_networks(model, shape, expected):
    torch.manual_seed(0)
    assert how_it_stacks(model.build(shape, 4), shape) == expected


# ---- networks of users ----------------------------------------------------------------------


class Net(nn.Module):
    """`layers` by name, and `run(self, x)` as their forward."""

    def __init__(self, run, **layers):
        super().__init__()
        self.run = run
        for name, layer in layers.items():
            setattr(self, name, layer)

    def forward(self, x):
        return self.run(self, x)


@dataclass(frozen=True, eq=False)
class Model:
    """What a plugin offers as a model."""

    make: Any

    def build(self, input_shape, classes):
        return self.make(classes)


def bare_view():
    def run(self, x):
        return self.fc2(F.relu(self.fc1(x.view(x.shape[0], -1))))

    return lambda k: Net(run, fc1=nn.Linear(36, 7), fc2=nn.Linear(7, k))


def bare_view_after_a_convolution():
    def run(self, x):
        h = F.max_pool2d(F.relu(self.conv(x)), 2)
        return self.fc(h.view(h.size(0), -1))

    return lambda k: Net(run, conv=nn.Conv2d(1, 5, 3), fc=nn.Linear(20, k))


def reshape_to_features():
    def run(self, x):
        return self.fc(self.conv(x).reshape(-1, 80))

    return lambda k: Net(run, conv=nn.Conv2d(1, 5, 3), fc=nn.Linear(80, k))


def own_parameter():
    def run(self, x):
        return F.linear(F.relu(self.fc(x.flatten(1))), self.weight)

    return lambda k: Net(run, fc=nn.Linear(36, 7), weight=nn.Parameter(0.1 * torch.randn(k, 7)))


def layer_norm():
    def run(self, x):
        return self.fc2(F.gelu(self.norm(self.fc1(x.flatten(1)))))

    return lambda k: Net(run, fc1=nn.Linear(36, 7), norm=nn.LayerNorm(7), fc2=nn.Linear(7, k))


def group_norm():
    def run(self, x):
        return self.fc(F.relu(self.norm(self.conv(x))).mean((2, 3)))

    return lambda k: Net(run, conv=nn.Conv2d(1, 6, 3), norm=nn.GroupNorm(2, 6), fc=nn.Linear(6, k))


def used_twice():
    def run(self, x):
        h = F.relu(self.fc1(x.flatten(1)))
        return self.fc2(F.relu(self.again(self.again(h))))

    return lambda k: Net(run, fc1=nn.Linear(36, 7), again=nn.Linear(7, 7), fc2=nn.Linear(7, k))


def two_names():
    def make(k):
        shared = nn.Linear(7, 7)

        def run(self, x):
            return self.fc2(F.relu(self.b(F.relu(self.a(F.relu(self.fc1(x.flatten(1))))))))

        return Net(run, fc1=nn.Linear(36, 7), a=shared, b=shared, fc2=nn.Linear(7, k))

    return make


def batch_statistics():
    def run(self, x):
        h = self.fc1(x.flatten(1))
        return self.fc2(F.relu(h - h.mean(0)))

    return lambda k: Net(run, fc1=nn.Linear(36, 7), fc2=nn.Linear(7, k))


def branches_on_data():
    def run(self, x):
        h = self.fc1(x.flatten(1))
        return self.fc2(F.relu(h) if h.mean() > 0 else h)

    return lambda k: Net(run, fc1=nn.Linear(36, 7), fc2=nn.Linear(7, k))


def branches_on_the_batch_s_size():
    def run(self, x):
        h = x.flatten(1)
        if h.shape[0] > 20:
            h = 2 * h
        return self.fc(h)

    return lambda k: Net(run, fc=nn.Linear(36, k))


def only_float32():
    def run(self, x):
        return self.fc(x.float().flatten(1))

    return lambda k: Net(run, fc=nn.Linear(36, k))


def drops_with_a_function():
    def run(self, x):
        return self.fc(F.dropout(x.flatten(1), 0.3, self.training))

    return lambda k: Net(run, fc=nn.Linear(36, k))


def subclassed_layer():
    class Standardised(nn.Conv2d):
        def forward(self, x):
            w = self.weight - self.weight.mean((1, 2, 3), keepdim=True)
            return F.conv2d(x, w, self.bias)

    def run(self, x):
        return self.fc(F.relu(self.conv(x)).flatten(1))

    return lambda k: Net(run, conv=Standardised(1, 3, 3), fc=nn.Linear(48, k))


def padded_otherwise():
    def run(self, x):
        return self.fc(F.relu(self.conv(x)).flatten(1))

    return lambda k: Net(
        run, conv=nn.Conv2d(1, 3, 3, padding=1, padding_mode="circular"), fc=nn.Linear(108, k)
    )


def batch_norm_without_statistics():
    def run(self, x):
        return self.fc(F.relu(self.norm(self.conv(x))).flatten(1))

    return lambda k: Net(
        run,
        conv=nn.Conv2d(1, 3, 3),
        norm=nn.BatchNorm2d(3, track_running_stats=False),
        fc=nn.Linear(48, k),
    )


def norm_of_features():
    def run(self, x):
        return self.fc2(F.relu(self.norm(self.fc1(x.flatten(1)))))

    return lambda k: Net(
        run, fc1=nn.Linear(36, 7, bias=False), norm=nn.BatchNorm1d(7), fc2=nn.Linear(7, k)
    )


USERS = [
    (bare_view, "explicit"),
    (bare_view_after_a_convolution, "explicit"),
    (reshape_to_features, "explicit"),
    (own_parameter, "vmap"),
    (layer_norm, "vmap"),
    (group_norm, "vmap"),
    (used_twice, "explicit"),
    (two_names, "explicit"),
    (batch_statistics, "vmap"),
    (subclassed_layer, "vmap"),
    (padded_otherwise, "vmap"),
    (batch_norm_without_statistics, "vmap"),
    (norm_of_features, "explicit"),
]


@pytest.mark.parametrize(("model", "expected"), USERS, ids=lambda v: getattr(v, "__name__", v))
def test_networks_of_users_train_as_alone(
    model, expected, make_bench, half_mask, request_of, hand, stack
):
    bench = make_bench(Model(model()), dataclasses.replace(DOUBLE, momentum=0.9))
    network = bench.network
    assert network.stacks == expected
    requests = [
        request_of(bench, values=bench.initial(i).values, seed=i, mask=half_mask(bench, i))
        for i in range(3)
    ]
    # trained alone at any time, with the same result
    alone = [stack(bench, [request])[0] for request in requests]
    for request, one in zip(requests, alone, strict=True):
        assert one.error is None
        assert hand.same(stack(bench, [request])[0].outcome.values, one.outcome.values)
    if expected is None:
        return
    layout = make_layout(network, bench.data, bench.recipe, 4)
    assert type(layout) is {"explicit": Explicit, "vmap": Vmapped}[expected]
    for one, other in zip(stack(bench, requests, layout=layout), alone, strict=True):
        assert hand.far(one.outcome.values, other.outcome.values) <= 1e-12
        assert one.outcome.curve[-1].val_loss == pytest.approx(other.outcome.curve[-1].val_loss)


def test_precision_that_a_network_counts_on(make_bench, request_of):
    recipe = dataclasses.replace(DOUBLE, dtype="float32")
    bench = make_bench(Model(only_float32()), recipe)
    assert bench.network.stacks is None
    assert bench.fit(request_of(bench)).step == 8


def test_what_torch_func_cannot_stack_trains_alone():
    assert how_it_stacks(branches_on_data()(3), (1, 6, 6)) is None


def test_draws():
    torch.manual_seed(0)
    state = torch.get_rng_state()
    for model, expected in (
        (drops_with_a_function(), {"torch"}),
        (bare_view(), set()),
        (only_float32(), set()),
    ):
        module = model(3)
        torch.set_rng_state(state)
        assert side_effects_of(module, (1, 6, 6)).generators == expected
        how_it_stacks(module, (1, 6, 6))
        # nobody else's draws change
        assert torch.equal(torch.get_rng_state(), state)


def test_the_network_itself_is_left_alone():
    module = norm_of_features()(3)
    before = {k: v.clone() for k, v in module.state_dict().items()}
    module.eval()
    how_it_stacks(module, (1, 6, 6))
    assert not module.training
    assert all(torch.equal(v, before[k]) for k, v in module.state_dict().items())
    assert all(p.grad is None for p in module.parameters())
