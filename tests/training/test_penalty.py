"""Terms added to the loss, and weights made from what stands behind them."""

from __future__ import annotations

import dataclasses

import pytest
import torch
import torch.nn.functional as F

from lth_bench.models.mlp import MLP
from lth_bench.training.recipe import Recipe

NET = MLP(hidden=(7,))
SHORT = Recipe(lr=0.2, steps=40, batch_size=20, val_size=60, eval_every=10)
DOUBLE = dataclasses.replace(SHORT, dtype="float64")


def test_a_quadratic_penalty_is_weight_decay(make_bench, request_of, hand):
    bench = make_bench(NET, DOUBLE)

    def half_squares(values):
        return 0.03 / 2 * sum((v**2).sum() for v in values.values())

    penalised = bench.fit(request_of(bench, penalty=half_squares), {"strategy": "test"})
    request = request_of(bench)
    expected = hand.train(bench, request, lambda step: 0.2, hand.momentum_sgd(0.0), l2=0.03)
    assert hand.far(penalised.values, expected) <= 1e-12
    # it is no part of the reported loss
    plain = bench.fit(request_of(bench, recipe=dataclasses.replace(DOUBLE, weight_decay=0.03)))
    assert penalised.curve[-1].train_loss == pytest.approx(plain.curve[-1].train_loss, abs=1e-12)


def test_parametrize_trains_what_stands_behind_the_weights(make_bench, half_mask, request_of, hand):
    """With w = θ/2, a step of 4·lr on θ is a step of lr on w."""
    bench = make_bench(NET, DOUBLE)
    mask = half_mask(bench)
    double = {k: 2 * v for k, v in bench.initial(3).values.items()}
    halved = bench.fit(
        request_of(
            bench,
            values=double,
            mask=mask,
            recipe=dataclasses.replace(DOUBLE, lr=0.8),
            parametrize=lambda theta, _: {k: v / 2 for k, v in theta.items()},
        ),
        {"strategy": "test"},
    )
    expected = hand.train(
        bench, request_of(bench, mask=mask), lambda step: 0.2, hand.momentum_sgd(0.0)
    )
    assert hand.far(halved.values, expected) <= 1e-12


def test_frozen_weights_take_part_and_are_not_trained(make_bench, half_mask, request_of, hand):
    """As if the network computed them from the kept trainables and constants."""
    bench = make_bench(NET, DOUBLE)
    initial = bench.initial(3)
    mask = half_mask(bench).freezing(initial.weights)
    frozen = bench.fit(request_of(bench, mask=mask))
    kept = mask.items_by_key()

    def composed(trainables, _):
        return {k: torch.where(kept[k], trainables[k], initial.values[k]) for k in kept}

    expected = bench.fit(request_of(bench, parametrize=composed), {"strategy": "test"})
    assert hand.far(frozen.values, expected.values) <= 1e-12
    assert hand.far(frozen.best.values, expected.best.values) <= 1e-12
    for key, where in kept.items():
        assert torch.equal(frozen.values[key][~where], initial.values[key][~where])
        assert not torch.equal(frozen.values[key][where], initial.values[key][where])
    assert frozen.mask == mask
    assert frozen.cost.flops_masked_theoretical == frozen.cost.flops_dense
    assert frozen.key != bench.fit(request_of(bench, mask=half_mask(bench))).key
    # found on disk, it is the same
    bench.forget()
    again = bench.fit(request_of(bench, mask=mask))
    assert again.mask == mask
    assert hand.far(again.values, frozen.values) == 0


class Sign(torch.autograd.Function):
    """sign(x) forwards, straight through backwards."""

    @staticmethod
    def forward(ctx, x):
        return x.sign()

    @staticmethod
    def backward(ctx, gradient):
        return gradient


def test_a_supermask_of_signed_constants_obeys_the_mask(make_bench, half_mask, request_of):
    bench = make_bench(NET, SHORT)
    mask = half_mask(bench)

    def signed(theta, mask):
        return {layer.key: 0.2 * Sign.apply(theta[layer.key]) for layer in bench.layers}

    trained = bench.fit(request_of(bench, mask=mask, parametrize=signed), {"strategy": "test"})
    for name, kept in mask.kept.items():
        weight = trained.values[f"{name}.weight"]
        assert bool((weight[~kept] == 0).all())
        assert bool((weight[kept].abs() == 0.2).all())
    # what is returned is what was evaluated, so it can be used without `parametrize`
    module = bench.network.twin(trained.values).eval()
    val = bench.data.val
    loss = F.cross_entropy(module(bench.data.normalise(val.x)), val.y)
    assert trained.curve[-1].val_loss == pytest.approx(loss.item(), abs=1e-6)
    initial = bench.initial(3).values
    assert bool(
        (trained.values["fc1.weight"].sign() != initial["fc1.weight"].sign())[
            mask.kept["fc1"]
        ].any()
    )
    assert not torch.equal(trained.values["fc1.bias"], initial["fc1.bias"])
