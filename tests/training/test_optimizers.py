"""The fused update without torch.optim's Python, against torch.optim."""

from __future__ import annotations

import pytest
import torch

from lth_bench.training.optimizers import Adam, direct_step, make_optimizer, to_start
from lth_bench.training.recipe import Recipe

RECIPES = {
    "sgd": dict(weight_decay=0.01),
    "momentum": dict(momentum=0.9, weight_decay=0.01),
    "nesterov": dict(momentum=0.9, nesterov=True),
    "adam": dict(optimizer="adam", weight_decay=0.01, betas=(0.8, 0.99)),
    "adamw": dict(optimizer="adamw", weight_decay=0.1),
}


def parameters(dtype):
    rng = torch.Generator().manual_seed(0)
    shapes = ((7, 5), (7,), (300, 19))
    return [torch.nn.Parameter(torch.randn(s, generator=rng).to(dtype)) for s in shapes]


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("case", sorted(RECIPES))
def test_every_bit_is_torch_optim_s(case, dtype):
    recipe = Recipe(lr=0.01, steps=9, **RECIPES[case])
    ours, theirs = parameters(dtype), parameters(dtype)
    optimizers = [make_optimizer(p, recipe) for p in (ours, theirs)]
    for optimizer in optimizers:
        to_start(optimizer)
    step = direct_step(optimizers[0])
    assert step != optimizers[0].step
    rng = torch.Generator().manual_seed(1)
    for i in range(9):
        for a, b in zip(ours, theirs, strict=True):
            a.grad = torch.randn(a.shape, generator=rng).to(dtype)
            b.grad = a.grad.clone()
        for optimizer in optimizers:
            optimizer.param_groups[0]["lr"] = 0.01 / (i + 1)
        if i == 5:  # as on_step's reset_momentum does
            for optimizer, p in zip(optimizers, (ours, theirs), strict=True):
                for entry in optimizer.state[p[2]].values():
                    entry.view(-1)[:3] = 0.0
        step()
        optimizers[1].step()
    assert all(torch.equal(a, b) for a, b in zip(ours, theirs, strict=True))
    for a, b in zip(ours, theirs, strict=True):
        state = optimizers[1].state[b]
        assert all(torch.equal(v, state[k]) for k, v in optimizers[0].state[a].items())


def test_a_parameter_without_gradient_stays():
    recipe = Recipe(lr=0.1, steps=9, momentum=0.9, weight_decay=0.1)
    ours = parameters(torch.float32)
    before = [p.detach().clone() for p in ours]
    optimizer = make_optimizer(ours, recipe)
    to_start(optimizer)
    ours[0].grad = torch.ones_like(ours[0])
    direct_step(optimizer)()
    assert [torch.equal(a, b) for a, b in zip(before, ours, strict=True)] == [False, True, True]


@pytest.mark.parametrize("started", [True, False])
def test_what_it_does_not_know_is_left_to_torch_optim(started):
    ours = parameters(torch.float32)
    plain = Adam(ours, foreach=True)
    assert direct_step(plain) == plain.step
    if not started:  # no state to work on yet
        fused = Adam(ours, fused=True)
        assert direct_step(fused) == fused.step
