"""Training in few bits: as a loop by hand that rounds the same numbers at the same places."""

from __future__ import annotations

import dataclasses
from typing import ClassVar

import pytest
import torch
import torch.nn.functional as F

from lth_bench.models.conv_bn import ConvBN
from lth_bench.models.mlp import MLP
from lth_bench.training.dispatch.serving import cohort_size_of
from lth_bench.training.engine.layouts.choose import kind_of
from lth_bench.training.engine.layouts.low_precision import LowPrecision
from lth_bench.training.engine.rounding import block_rounded
from lth_bench.training.pending_fit import PendingFit
from lth_bench.training.randomness import seed_of
from lth_bench.training.recipe import Recipe

NET = MLP(hidden=(7,))


@dataclasses.dataclass(frozen=True)
class WholeHead(MLP):
    """Its classifier is not to be pruned, and is the classifier for all that."""

    not_prunable: ClassVar = ("fc2",)


RECIPE = Recipe(
    lr=0.1, momentum=0.9, steps=12, batch_size=20, val_size=60, eval_every=6, bits=8,
    dtype="float64",
)  # fmt: skip


def by_hand(bench, values, steps, *, seed):
    """SGD with momentum on `NET`, rounded: activations, errors, gradients, weights, momentum."""
    rng = torch.Generator()
    theta = {k: v.double().clone() for k, v in values.items()}
    momentum = {k: torch.zeros_like(v) for k, v in theta.items()}

    def rounded(x):
        return block_rounded(x, 8, rng)

    for step in range(steps):
        rng.manual_seed(seed_of("rounding", seed, step))
        x, y = bench.data.batch(step, seed, bench.recipe)
        leaves = {k: v.clone().requires_grad_() for k, v in theta.items()}
        h = x.double().flatten(1) @ leaves["fc1.weight"].T + leaves["fc1.bias"]
        h = h + (rounded(h.detach()) - h).detach()
        h.register_hook(rounded)
        logits = torch.where(h > 0, h, 0.0) @ leaves["fc2.weight"].T + leaves["fc2.bias"]
        F.cross_entropy(logits, y).backward()
        gradients = {k: rounded(v.grad) for k, v in leaves.items()}
        momentum = {k: 0.9 * momentum[k] + g for k, g in gradients.items()}
        theta = {k: rounded(v - 0.1 * momentum[k]) for k, v in theta.items()}
        momentum = {k: rounded(v) for k, v in momentum.items()}
    return theta


@pytest.mark.parametrize("net", [NET, WholeHead(hidden=(7,))], ids=["plain", "whole_head"])
def test_as_a_loop_by_hand(net, make_bench, request_of):
    bench = make_bench(net, RECIPE)
    request = request_of(bench)
    trained = bench.fit(request)
    assert trained.variant == "low_precision"
    expected = by_hand(bench, request.values, 12, seed=3)
    for key, value in expected.items():
        assert torch.allclose(trained.values[key], value, rtol=1e-12, atol=1e-12), key
    exact = bench.fit(request_of(bench, recipe=dataclasses.replace(RECIPE, bits=None)))
    assert not torch.allclose(exact.values["fc1.weight"], trained.values["fc1.weight"], atol=1e-3)


def test_sixteen_bits_come_close_to_none(make_bench, request_of):
    found = {}
    for bits in (4, 16, None):
        bench = make_bench(NET, dataclasses.replace(RECIPE, bits=bits))
        found[bits] = bench.fit(request_of(bench)).values["fc1.weight"]
    near = float((found[16] - found[None]).norm())
    assert near < 0.05 * float((found[4] - found[None]).norm())


def test_pruned_weights_frozen_ones_and_a_penalty(make_bench, half_mask, request_of):
    bench = make_bench(ConvBN(), dataclasses.replace(RECIPE, dtype="float32"))
    bench.network.module.bn1.bias.requires_grad_(False)
    mask = half_mask(bench)
    start = {**bench.initial(3).values}
    start["bn1.bias"] = torch.full_like(start["bn1.bias"], 0.3)  # no number of eight bits
    weight = 0.5
    request = request_of(
        bench, mask=mask, values=start, penalty=lambda v: weight * v["bn2.weight"].abs().sum()
    )
    trained = bench.fit(request, {"strategy": "test"})
    for key, kept in mask.items_by_key().items():
        assert not trained.values[key].masked_fill(kept, 0).any()
    assert torch.equal(trained.values["bn1.bias"], start["bn1.bias"])
    plain = bench.fit(request_of(bench, mask=mask, values=start))
    assert trained.values["bn2.weight"].abs().sum() < plain.values["bn2.weight"].abs().sum()
    # every γ has eight bits: its significand is a multiple of 2⁻⁶
    scaled = torch.frexp(trained.values["bn2.weight"]).mantissa * 2**7
    assert torch.equal(scaled, scaled.round())


def test_on_a_gpu(pretend_gpu, make_bench, request_of):
    short = dataclasses.replace(RECIPE, dtype="float32", steps=4, eval_every=2)
    bench = make_bench(ConvBN(), short, device="cuda:0")
    trained = bench.fit(request_of(bench))
    assert trained.variant == "low_precision" and len(trained.curve) == 2
    for i in (1, 2, 3):
        scaled = torch.frexp(trained.values[f"bn{i}.weight"].cpu()).mantissa * 2**7
        assert torch.equal(scaled, scaled.round())
    assert not pretend_gpu.failed_captures


def test_no_fast_path_and_no_cohort_takes_it(make_bench, half_mask, request_of):
    bench = make_bench(NET, RECIPE)
    bench.cohort_sizes = None  # nothing is measured
    request = request_of(bench, mask=half_mask(bench))
    one = PendingFit(request)
    assert cohort_size_of(bench, one) == 1
    assert kind_of(bench.network, bench.data, request, 1) is LowPrecision


def test_a_prefix_has_the_same_bits(make_bench, request_of):
    bench = make_bench(NET, RECIPE)
    whole = bench.fit(request_of(bench, checkpoints=frozenset({5})))
    kept = bench.checkpoint(whole.key, 5)
    prefix = bench.fit(request_of(bench, end=5))
    assert all(torch.equal(value, kept.values[k]) for k, value in prefix.values.items())


@pytest.mark.parametrize("change", [{"optimizer": "adam", "momentum": 0.0}, {"dtype": "bfloat16"}])
def test_what_bits_are_not_defined_for(change):
    with pytest.raises(ValueError, match=r"^bits = 8 is training in block floating point"):
        dataclasses.replace(RECIPE, **change)
