"""Chains differentiated by hand, against autograd."""

from __future__ import annotations

from itertools import pairwise

import pytest
import torch
import torch.nn.functional as F
from hypothesis import given, settings
from hypothesis import strategies as st
from thoroughness import cases
from torch import nn

from lth_bench.models.mlp import MLP
from lth_bench.training.engine.sequential import SequentialByHand, stages_of


def network(sizes, biases=True, dtype=torch.float64, relu=True):
    parts = [nn.Flatten()]
    for i, (fan_in, fan_out) in enumerate(pairwise(sizes)):
        parts += [nn.ReLU()] * (relu and i > 0)
        parts.append(nn.Linear(fan_in, fan_out, bias=biases))
    return nn.Sequential(*parts).to(dtype)


def batch(n, sizes, dtype=torch.float64):
    return torch.randn(n, sizes[0], dtype=dtype), torch.randint(0, sizes[-1], (n,))


@settings(max_examples=cases(40))
@given(
    sizes=st.lists(st.integers(1, 12), min_size=2, max_size=5),
    n=st.integers(1, 9),
    biases=st.booleans(),
    relu=st.booleans(),
    smoothing=st.sampled_from([0.0, 0.1]),
    seed=st.integers(0, 9),
)
def test_gradients_are_autograd_s(sizes, n, biases, relu, smoothing, seed):
    torch.manual_seed(seed)
    module = network(sizes, biases, relu=relu)
    x, y = batch(n, sizes)
    sequential = SequentialByHand(stages_of(module))
    sequential.backward(torch.randn_like(x), y)  # what an earlier step left does not matter
    loss = sequential.backward(x, y, smoothing)
    found = [p.grad.clone() for p in module.parameters()]
    expected_loss = F.cross_entropy(module(x), y, label_smoothing=smoothing)
    expected = torch.autograd.grad(expected_loss, list(module.parameters()))
    assert abs(float(loss - expected_loss.detach())) <= 1e-12
    for a, b in zip(found, expected, strict=True):
        assert float((a - b).abs().max()) <= 1e-12


@pytest.mark.parametrize("sizes", [(784, 300, 100, 10), (64, 300, 100, 10), (36, 7, 3)])
@pytest.mark.parametrize("smoothing", [0.0, 0.1])
def test_in_float32_every_bit_is_autograd_s(sizes, smoothing):
    torch.manual_seed(0)
    module = network(sizes, dtype=torch.float32)
    sequential = SequentialByHand(stages_of(module))
    x, y = batch(60, sizes, torch.float32)
    loss = sequential.backward(x, y, smoothing)
    found = [p.grad.clone() for p in module.parameters()]
    expected_loss = F.cross_entropy(module(x), y, label_smoothing=smoothing)
    expected = torch.autograd.grad(expected_loss, list(module.parameters()))
    assert torch.equal(loss, expected_loss.detach())
    assert all(torch.equal(a, b) for a, b in zip(found, expected, strict=True))


def test_links_name_the_layers():
    module = MLP(hidden=(300, 100)).build((1, 8, 8), 10)
    found = [(stage.name, stage.relu) for stage in stages_of(module)]
    assert found == [("fc1", True), ("fc2", True), ("fc3", False)]


class Shifted(nn.Linear):
    def forward(self, x):
        return super().forward(x) + 1


class Wrapped(nn.Sequential):
    def forward(self, x):
        return super().forward(x) * 2


def others():
    linear = nn.Linear(4, 4)
    frozen = nn.Sequential(nn.Linear(4, 4))
    frozen[0].weight.requires_grad_(False)
    hooked, watched = nn.Sequential(nn.Linear(4, 4)), nn.Sequential(nn.Linear(4, 4))
    hooked[0].register_forward_hook(lambda *_: None)
    watched.register_full_backward_hook(lambda *_: None)
    tied = nn.Sequential(nn.Linear(4, 4), nn.ReLU(), nn.Linear(4, 4))
    tied[2].weight = tied[0].weight
    made = nn.Sequential(nn.Linear(4, 4))
    nn.utils.parametrizations.orthogonal(made[0])
    return {
        "convolution": nn.Sequential(nn.Conv2d(1, 4, 1), nn.Flatten(), nn.Linear(4, 4)),
        "dropout": nn.Sequential(nn.Linear(4, 4), nn.Dropout(0.5), nn.Linear(4, 4)),
        "batch norm": nn.Sequential(nn.Linear(4, 4), nn.BatchNorm1d(4)),
        "ends in ReLU": nn.Sequential(nn.Linear(4, 4), nn.ReLU()),
        "starts with ReLU": nn.Sequential(nn.Flatten(), nn.ReLU(), nn.Linear(4, 4)),
        "flattens less": nn.Sequential(nn.Flatten(2), nn.Linear(4, 4)),
        "nothing to train": nn.Sequential(nn.Flatten()),
        "own forward": Wrapped(nn.Linear(4, 4)),
        "own layer": nn.Sequential(Shifted(4, 4)),
        "used twice": nn.Sequential(linear, nn.ReLU(), linear),
        "tied": tied,
        "frozen": frozen,
        "hooked": hooked,
        "watched": watched,
        "parametrised": made,
        "not a Sequential": linear,
    }


@pytest.mark.parametrize("case", sorted(others()))
def test_other_networks_are_left_to_autograd(case):
    assert stages_of(others()[case]) is None
