"""Chains trained by hand, against the plain layout."""

from __future__ import annotations

import dataclasses

import pytest

from lth_bench.models.conv_bn import ConvBN
from lth_bench.models.mlp import MLP
from lth_bench.training.engine.layouts.alone import ByHand, Plain
from lth_bench.training.recipe import Recipe

NET = MLP(hidden=(40, 12))
SHORT = Recipe(lr=0.1, steps=40, batch_size=20, val_size=60, eval_every=10)
OPTIMIZERS = {
    "sgd": dict(momentum=0.9, weight_decay=0.01, label_smoothing=0.1),
    "adam": dict(optimizer="adam", lr=0.01),
}


@pytest.mark.parametrize("case", sorted(OPTIMIZERS))
def test_every_bit_is_the_plain_layout_s(case, make_bench, request_of, half_mask, hand, train):
    bench = make_bench(NET, dataclasses.replace(SHORT, **OPTIMIZERS[case]))
    assert ByHand.takes(bench.network, bench.recipe)
    request = request_of(bench, mask=half_mask(bench))
    plain, by_hand = (train(kind, bench, request) for kind in (Plain, ByHand))
    assert hand.same(plain[0], by_hand[0])
    assert plain[1:] == by_hand[1:]


def test_by_hand_leaves_penalties_and_parametrisations_to_autograd(make_bench, request_of, hand):
    bench = make_bench(NET, SHORT)
    request = request_of(bench)

    def scaled(trainables, mask):
        return {k: 0.5 * v for k, v in trainables.items()}

    found = []
    for kind in (Plain, ByHand):
        layout = kind(bench.network, bench.data, SHORT, 1)
        for penalties, parametrize in (
            ({0: lambda p: p["fc1.weight"].square().sum()}, None),
            ({}, scaled),
        ):
            layout.begin(
                [1],
                [0],
                [request.values],
                [request.mask],
                penalties=penalties,
                parametrize=parametrize,
            )
            layout.forward_backward(0)
            layout.update(0.1)
            found.append({k: v.clone() for k, v in layout.live(0).items()})
    assert hand.same(found[0], found[2])
    assert hand.same(found[1], found[3])
    assert not hand.same(found[0], found[1])


def test_other_networks_stay_plain(make_bench):
    assert not ByHand.takes(make_bench(ConvBN(), SHORT).network, SHORT)
    sequential = make_bench(NET, SHORT).network
    assert not ByHand.takes(sequential, dataclasses.replace(SHORT, dtype="bfloat16"))
