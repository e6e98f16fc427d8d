"""What a network trained alone honours, a stack honours too, or the network trains alone."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from typing import Any

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from torch import nn
from torch.nn.utils import parametrizations

from lth_bench.training.engine.layouts import make_layout
from lth_bench.training.engine.stacking.agree import how_it_stacks
from lth_bench.training.recipe import Recipe

DOUBLE = Recipe(
    lr=0.05, momentum=0.9, steps=8, batch_size=20, val_size=60, eval_every=4, dtype="float64"
)
SHAPE = (1, 6, 6)


@dataclass(frozen=True, eq=False)
class Model:
    make: Any

    def build(self, input_shape, classes):
        return self.make()


def mlp(hidden: int = 7) -> nn.Sequential:
    return nn.Sequential(nn.Flatten(), nn.Linear(36, hidden), nn.ReLU(), nn.Linear(hidden, 3))


def normed() -> nn.Sequential:
    return nn.Sequential(
        nn.Conv2d(1, 4, 3), nn.BatchNorm2d(4), nn.ReLU(), nn.Flatten(), nn.Linear(64, 3)
    )


def frozen_layer():
    net = mlp()
    net[1].requires_grad_(False)
    return net


def frozen_bias():
    net = mlp()
    net[1].bias.requires_grad = False
    return net


def frozen_in_a_network_for_vmap():
    net = nn.Sequential(nn.Flatten(), nn.Linear(36, 7), nn.LayerNorm(7), nn.Linear(7, 3))
    net[1].requires_grad_(False)
    return net


def frozen_norm():
    net = normed()
    net[1].requires_grad_(False).eval()
    return net


class HoldsItsNorms(nn.Module):
    """As fine-tuning code does it."""

    def __init__(self):
        super().__init__()
        self.net = normed()

    def train(self, mode=True):
        super().train(mode)
        self.net[1].eval()
        return self

    def forward(self, x):
        return self.net(x)


class Tied(nn.Module):
    """One weight in two layers."""

    def __init__(self):
        super().__init__()
        self.a, self.b, self.c = nn.Linear(36, 36), nn.Linear(36, 36), nn.Linear(36, 3)
        self.b.weight = self.a.weight

    def forward(self, x):
        return self.c(F.relu(self.b(F.relu(self.a(x.flatten(1))))))


class InPlace(nn.Module):
    def __init__(self):
        super().__init__()
        self.fc = nn.Linear(36, 3)

    def forward(self, x):
        x.sub_(0.5)
        return self.fc(x.flatten(1))


class RunningMean(nn.Module):
    """A buffer that the network puts anew in every forward pass, as beginners do."""

    def __init__(self):
        super().__init__()
        self.fc = nn.Linear(36, 3)
        self.register_buffer("mean", torch.zeros(36))

    def forward(self, x):
        x = x.flatten(1)
        if self.training:
            self.mean = 0.9 * self.mean + 0.1 * x.mean(0)
        return self.fc(x - self.mean)


class Constant(nn.Module):
    """A buffer that no state dict has."""

    def __init__(self):
        super().__init__()
        self.fc, self.out = nn.Linear(36, 5), nn.Linear(5, 3)
        self.register_buffer("scale", torch.linspace(0.5, 1.5, 36), persistent=False)

    def forward(self, x):
        return self.out(F.relu(self.fc(x.flatten(1) * self.scale)))


class Counts(nn.Module):
    """A buffer of whole numbers, one of truth values, and one that counts."""

    def __init__(self):
        super().__init__()
        self.fc, self.out = nn.Linear(36, 5), nn.Linear(5, 3)
        self.register_buffer("order", torch.arange(35, -1, -1))
        self.register_buffer("used", torch.arange(5) > 0)
        self.register_buffer("calls", torch.zeros((), dtype=torch.int64))

    def forward(self, x):
        if self.training:
            self.calls += 1
        return self.out(F.relu(self.fc(x.flatten(1)[:, self.order])) * self.used)


def spectral():
    net = nn.Sequential(nn.Flatten(), nn.Linear(36, 7), nn.ReLU(), nn.Linear(7, 3))
    net[3] = parametrizations.spectral_norm(net[3])
    return net


def with_forward_hook():
    net = mlp()
    net[1].register_forward_hook(lambda part, args, out: 2 * out)
    return net


def with_gradient_hook():
    net = mlp()
    kept = torch.arange(7 * 36).view(7, 36) % 2
    net[1].weight.register_hook(lambda gradient: gradient * kept)
    return net


def with_another_forward():
    net = mlp()
    plain = net[1].forward
    net[1].forward = lambda x: 2 * plain(x)
    return net


def in_double():
    return mlp().double()


def in_eval_mode():
    """As a function returns it that loads weights."""
    return normed().eval()


CASES = [
    (frozen_layer, "explicit"),
    (frozen_bias, "explicit"),
    (frozen_in_a_network_for_vmap, "vmap"),
    (frozen_norm, "explicit"),
    (HoldsItsNorms, "explicit"),
    (Tied, "vmap"),
    (InPlace, "explicit"),
    (RunningMean, None),
    (Constant, "vmap"),
    (Counts, "vmap"),
    (with_forward_hook, None),
    (with_gradient_hook, None),
    (with_another_forward, None),
    (in_double, "explicit"),
    (in_eval_mode, "explicit"),
]


@pytest.mark.parametrize(("make", "expected"), CASES, ids=lambda v: getattr(v, "__name__", v))
def test_trains_as_plain_torch_does(make, expected, make_bench, request_of, half_mask, hand, stack):
    bench = make_bench(Model(make), DOUBLE)
    assert bench.network.stacks == expected
    requests = [
        request_of(bench, values=bench.initial(i).values, seed=i, mask=half_mask(bench, i))
        for i in range(3)
    ]
    references = [plain_torch(make, bench, request) for request in requests]
    for request, reference in zip(requests, references, strict=True):
        for _ in range(2):  # nothing of a training is left in the next one
            (one,) = stack(bench, [request])
            assert one.error is None
            assert hand.far(one.outcome.values, reference) <= 1e-12
    if expected is not None:
        layout = make_layout(bench.network, bench.data, bench.recipe, 4)
        assert layout.variant == {"explicit": "stacked"}.get(expected, expected)
        for one, reference in zip(stack(bench, requests, layout=layout), references, strict=True):
            assert hand.far(one.outcome.values, reference) <= 1e-12


def plain_torch(make, bench, request):
    """The training as a loop of one's own: SGD with momentum, the mask multiplied in."""
    module = make().double()
    module.load_state_dict(request.values)
    if not module.training:
        module.train()
    masks = request.mask.items_by_key()
    velocity: dict[str, torch.Tensor] = {}

    @torch.no_grad()
    def update():
        for key, parameter in module.named_parameters():
            if parameter.grad is not None:
                velocity[key] = 0.9 * velocity.get(key, 0.0) + parameter.grad
                parameter -= 0.05 * velocity[key]
        prune()

    @torch.no_grad()
    def prune():
        for key, kept in masks.items():
            module.get_parameter(key).mul_(kept)

    prune()
    for step in range(request.start, request.end):
        x, y = bench.data.batch(step, request.seed, bench.recipe)
        module.zero_grad()
        F.cross_entropy(module(x.double()), y).backward()
        update()
    return module.state_dict()


def test_a_parametrisation_that_learns_from_passes_is_seen():
    """Power iteration writes into buffers in every forward pass."""
    torch.manual_seed(0)
    assert how_it_stacks(spectral(), SHAPE) in ("vmap", None)


def test_held_parts_stay_held_after_evaluations(make_bench):
    bench = make_bench(Model(frozen_norm), DOUBLE)
    bench.network.evaluate(bench.data.val, bench.data, bench.dense_mask())
    assert not bench.network.module[1].training
    assert bench.network.module.training
    assert not bench.network.twin(bench.initial(0).values)[1].training


def test_frozen_parameters_train_nowhere(make_bench, request_of, stack):
    """Random features: the hidden layer is what it was, at every cohort size."""
    bench = make_bench(Model(lambda: frozen_layer()), dataclasses.replace(DOUBLE, steps=20))
    for size in (1, 2, 8):
        layout = make_layout(bench.network, bench.data, bench.recipe, size)
        (one,) = stack(bench, [request_of(bench)], layout=layout)
        start = bench.initial(3).values
        assert torch.equal(one.outcome.values["1.weight"], start["1.weight"])
        assert torch.equal(one.outcome.values["1.bias"], start["1.bias"])
        assert not torch.equal(one.outcome.values["3.weight"], start["3.weight"])


class Noisy(nn.Module):
    def __init__(self, draw):
        super().__init__()
        self.fc, self.draw = nn.Linear(36, 3), draw

    def forward(self, x):
        x = x.flatten(1)
        return self.fc(x + self.draw(x.shape) if self.training else x)


def by_numpy(shape):
    return torch.from_numpy(np.random.standard_normal(tuple(shape)))


def by_random(shape):
    import random

    return random.gauss(0, 1)


def by_torch(shape):
    return torch.randn(shape, dtype=torch.float64)


@pytest.mark.parametrize(
    ("draw", "kind"), [(by_numpy, "numpy"), (by_random, "random"), (by_torch, "torch")]
)
def test_whatever_generator_a_network_draws_from_its_training_repeats(
    draw, kind, make_bench, request_of, stack, hand
):
    bench = make_bench(Model(lambda: Noisy(draw)), DOUBLE)
    assert bench.network.side_effects.generators == {kind}
    assert bench.network.stacks is None
    np.random.seed(1)
    first = stack(bench, [request_of(bench)])[0].outcome.values
    np.random.seed(2)
    second = stack(bench, [request_of(bench)])[0].outcome.values
    assert hand.same(first, second)
    other = stack(bench, [request_of(bench, seed=4, values=request_of(bench).values)])[0]
    assert not hand.same(first, other.outcome.values)
