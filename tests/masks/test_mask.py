"""Masks: exact counts, the tie rule, shrinking, packing."""

from __future__ import annotations

import math

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from lth_bench.errors import Unreachable
from lth_bench.masks import Layer, Layers, Mask, PerKind, count_at
from lth_bench.masks.allocation import top_k_flat
from lth_bench.masks.mask import pack, unpack
from lth_bench.training.keys import hash_mask

LENET = (
    Layer("fc1", "linear", (300, 784)),
    Layer("fc2", "linear", (100, 300)),
    Layer("out", "output", (10, 100)),
)
DENSITIES = (
    0.8004, 0.6406, 0.5128, 0.4105, 0.3287, 0.2632, 0.2107, 0.1688, 0.1352, 0.1083, 0.0868,
    0.0695, 0.0557, 0.0447, 0.0358,
)  # fmt: skip


def scores_for(layers, seed=0):
    rng = torch.Generator().manual_seed(seed)
    return Layers({x.name: torch.rand(x.shape, generator=rng) for x in layers})


def test_the_published_densities_of_lenet_take_one_round_each():
    mask, scores = Mask.ones(LENET), scores_for(LENET)
    rate = PerKind(conv=0.2, linear=0.2, output=0.1)
    exact = {"fc1": 235_200.0, "fc2": 30_000.0, "out": 1_000.0}
    for density in DENSITIES:
        mask = mask.shrink(scores, rate, density)
        assert mask.count == count_at(density, 266_200)
        exact = {n: c * (0.9 if n == "out" else 0.8) for n, c in exact.items()}
        kept = mask.kept_per_layer()
        # densities are rounded to four digits, so each layer is within that of the exact schedule
        assert all(kept[n] == pytest.approx(exact[n], rel=2e-3, abs=1.5) for n in exact)


def test_a_round_far_above_its_target_prunes_exactly_its_rate():
    mask = Mask.ones(LENET).shrink(scores_for(LENET), PerKind(0.2, 0.2, 0.1), 0.01)
    assert mask.kept_per_layer() == {"fc1": 188_160, "fc2": 24_000, "out": 900}


def test_survivors_of_shrink_are_the_largest():
    layers = (Layer("a", "linear", (2, 3)), Layer("out", "output", (1, 2)))
    scores = Layers({"a": torch.tensor([[5.0, 1, 4], [3, 2, 0]]), "out": torch.tensor([[7.0, 6]])})
    mask = Mask.ones(layers).shrink(scores, 0.5, 0.5)
    assert mask.kept["a"].tolist() == [[True, False, True], [True, False, False]]
    assert mask.kept["out"].tolist() == [[True, False]]
    whole = Mask.ones(layers).shrink(scores, 0.5, 0.5, scope="global")
    assert whole.kept["a"].tolist() == [[True, False, True], [False, False, False]]
    assert whole.kept["out"].tolist() == [[True, True]]


def test_global_scope_spares_layers_of_rate_zero_and_refuses_unequal_rates():
    scores = scores_for(LENET)
    mask = Mask.ones(LENET).shrink(scores, PerKind(0.2, 0.2, 0.0), 0.1, scope="global")
    assert mask.kept_per_layer()["out"] == 1000
    assert mask.count == 1000 + round(0.8 * 265_200)
    with pytest.raises(ValueError, match="rates must be equal or 0"):
        Mask.ones(LENET).shrink(scores, PerKind(0.2, 0.2, 0.1), 0.1, scope="global")


def test_a_target_below_what_is_spared_is_unreachable():
    # only fc2 and the output may shrink: fc1 is called a convolution here
    layers = (Layer("fc1", "conv", (300, 784)), *LENET[1:])
    mask, scores = Mask.ones(layers), scores_for(layers)
    with pytest.raises(Unreachable, match="235200 weights"):
        mask.shrink(scores, PerKind(0.0, 0.2, 0.2), 0.5)


@given(st.lists(st.integers(-3, 3), min_size=1, max_size=60), st.data())
def test_top_k_is_exact_and_ties_go_to_the_earlier(values, data):
    k = data.draw(st.integers(0, len(values)))
    chosen = top_k_flat(torch.tensor(values, dtype=torch.float32), k)
    order = sorted(range(len(values)), key=lambda i: (-values[i], i))[:k]
    assert sorted(torch.nonzero(chosen).flatten().tolist()) == sorted(order)


@given(st.integers(0, 1000), st.floats(0.02, 0.98), st.sampled_from(["layer", "global"]))
def test_shrinking_is_nested_lands_on_the_target_and_ends(seed, target, scope):
    layers = (
        Layer("a", "conv", (4, 3, 3, 3)), Layer("b", "linear", (7, 11)),
        Layer("out", "output", (3, 7)),
    )  # fmt: skip
    mask, k = Mask.ones(layers), count_at(target, 206)
    for _ in range(60):
        after = mask.shrink(scores_for(layers, seed), 0.3, target, scope)
        assert after & mask == after
        assert k <= after.count
        if after.count == k:
            return
        assert after.count < mask.count
        mask = after
    pytest.fail("never reached the target")


def test_nan_scores_are_refused_by_layer():
    scores = scores_for(LENET)
    scores["fc2"][0, 0] = math.nan
    with pytest.raises(ValueError, match=r"'fc2'.*NaN"):
        Mask.top_k(scores, 10)


def test_apply_leaves_plain_zeros_and_heals_nothing_else():
    mask = Mask({"fc": torch.tensor([[True, False]])}, {"fc.bias": torch.tensor([False])})
    values = {"fc.weight": torch.tensor([[-1.0, -2.0]]), "fc.bias": torch.tensor([3.0])}
    mask.apply_(values)
    assert values["fc.weight"].tolist() == [[-1.0, 0.0]]
    assert math.copysign(1, values["fc.weight"][0, 1].item()) == 1  # not −0.0
    assert values["fc.bias"].tolist() == [0.0]


@given(st.integers(1, 40), st.integers(1, 9), st.integers(0, 99))
def test_packing_keeps_every_bit(rows, columns, seed):
    rng = torch.Generator().manual_seed(seed)
    mask = Mask(
        {"a": torch.rand(rows, columns, generator=rng) < 0.3},
        {"a.bias": torch.rand(rows, generator=rng) < 0.5},
    )
    again = unpack(pack(mask), {"a": (rows, columns), "a.bias": (rows,)})
    assert again == mask


def test_frozen_values_stand_where_a_weight_is_pruned():
    kept = {"fc": torch.tensor([[True, False, False]])}
    mask = Mask(kept).freezing({"fc": torch.tensor([[0.1, -0.2, 0.3]])})
    values = {"fc.weight": torch.tensor([[-1.0, -2.0, math.nan]])}
    mask.apply_(values)
    assert values["fc.weight"].tolist() == [torch.tensor([-1.0, -0.2, 0.3]).tolist()]
    assert (mask.count, mask.density) == (1, 1 / 3)
    others = [Mask(kept), Mask(kept).freezing({"fc": torch.zeros(1, 3)})]
    assert all(mask != other for other in others)
    assert len({hash_mask(m) for m in (mask, *others)}) == 3
    for same in (mask.copy(), mask.to("cpu"), mask & Mask(kept)):
        assert same == mask
    assert unpack(pack(mask), {"fc": (1, 3)}) == mask
    assert (mask.used().count, Mask(kept).used().count) == (3, 1)
    with pytest.raises(ValueError, match="fit no layer of the mask"):
        Mask(kept, frozen={"fc": torch.zeros(3)})


def test_masks_must_be_boolean():
    with pytest.raises(ValueError, match="must be boolean"):
        Mask({"a": torch.ones(2)})
