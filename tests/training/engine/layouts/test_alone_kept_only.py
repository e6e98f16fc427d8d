"""Chains trained with their kept weights only, against the plain layout."""

from __future__ import annotations

import dataclasses

import pytest
import torch

from lth_bench.masks import Mask
from lth_bench.models.conv_bn import ConvBN
from lth_bench.models.mlp import MLP
from lth_bench.training.engine import sparse_sequential
from lth_bench.training.engine.layouts.alone import KeptOnly, Plain
from lth_bench.training.recipe import Recipe

NET = MLP(hidden=(40, 12))
SHORT = Recipe(lr=0.1, steps=40, batch_size=20, val_size=60, eval_every=10)
DOUBLE = dataclasses.replace(SHORT, dtype="float64")
OPTIMIZERS = {
    "sgd": dict(momentum=0.9, weight_decay=0.01, label_smoothing=0.1),
    "adam": dict(optimizer="adam", lr=0.01),
}


@pytest.fixture
def sparse_mask(monkeypatch):
    """`sparse_mask(bench)`: little is left of fc1 and fc2, a unit and a bias are held at zero."""
    monkeypatch.setattr(sparse_sequential, "SMALLEST", 400)
    monkeypatch.setattr(sparse_sequential, "LARGEST", 1000)

    def make(bench):
        rng = torch.Generator().manual_seed(4)
        kept = {x.name: torch.rand(x.shape, generator=rng) < 0.17 for x in bench.layers}
        kept["fc3"] = torch.rand(kept["fc3"].shape, generator=rng) < 0.6
        kept["fc1"][3] = False
        kept["fc1"][:, :5] = False
        kept["fc2"][:, 3] = False
        held = torch.ones(40, dtype=torch.bool)
        held[3] = False
        return Mask(kept, {"fc1.bias": held}, bench.layers)

    return make


@pytest.mark.parametrize("case", sorted(OPTIMIZERS))
def test_it_equals_the_plain_layout(case, make_bench, request_of, sparse_mask, hand, train):
    bench = make_bench(NET, dataclasses.replace(DOUBLE, **OPTIMIZERS[case]))
    mask = sparse_mask(bench)
    values = bench.initial(3).values
    mask.apply_(values)
    request = request_of(bench, mask=mask, values=values)
    assert KeptOnly.takes(bench.network, request)
    plain, kept_only = (train(kind, bench, request) for kind in (Plain, KeptOnly))
    assert hand.far(kept_only[0], plain[0]) <= 1e-12
    assert hand.far(kept_only[0], request.values) > 1e-2
    assert kept_only[1] == pytest.approx(plain[1], abs=1e-11)
    assert kept_only[2] == pytest.approx(plain[2], abs=1e-11)
    for key, kept in mask.items_by_key().items():
        assert bool((kept_only[0][key][~kept] == 0).all())


def test_it_is_for_masks_that_stay_and_gradients_nobody_sees(
    make_bench, request_of, sparse_mask, half_mask
):
    bench = make_bench(NET, SHORT)
    request = request_of(bench, mask=sparse_mask(bench))
    assert KeptOnly.takes(bench.network, request)
    assert KeptOnly.takes(bench.network, dataclasses.replace(request, until=lambda _: False))
    for changes in (
        dict(on_step=lambda _: None),
        dict(penalty=lambda p: p["fc1.weight"].sum()),
        dict(parametrize=lambda p, m: p),
        dict(mask=half_mask(bench)),
        dict(mask=bench.dense_mask()),
        dict(recipe=dataclasses.replace(SHORT, dtype="bfloat16")),
    ):
        assert not KeptOnly.takes(bench.network, dataclasses.replace(request, **changes))


def test_networks_that_are_no_chains_stay_plain(make_bench, request_of):
    bench = make_bench(ConvBN(), SHORT)
    kept = {x.name: torch.zeros(x.shape, dtype=torch.bool) for x in bench.layers}
    request = request_of(bench, mask=Mask(kept, layers=bench.layers))
    assert not KeptOnly.takes(bench.network, request)
