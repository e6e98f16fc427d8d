"""Structured masks: by hand, against exhaustive search, and shuffled."""

from __future__ import annotations

import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from thoroughness import cases
from torch import Tensor

from lth_bench.errors import Unreachable, UserError
from lth_bench.masks import Mask
from lth_bench.structure import (
    largest_below,
    mask_of,
    removed_units,
    shuffle_units,
    unit_groups,
)

NAMES = ["mlp", "conv_bn", "conv_flat", "resnet", "concat", "depthwise", "vgg_bn"]


@pytest.fixture(scope="module")
def known(make_net):
    """Networks with their groups, made once."""
    nets = {name: make_net(name) for name in NAMES}
    return {name: (net, unit_groups(net.module, net.shape)) for name, net in nets.items()}


def bits(*values: int) -> Tensor:
    return torch.tensor(values, dtype=torch.bool)


def draw_kept(groups, seed: int, share: float = 0.6) -> list[Tensor]:
    """Random units, at least one a group."""
    rng = torch.Generator().manual_seed(seed)
    kept = []
    for group in groups:
        units = torch.rand(group.size, generator=rng) < share
        units[int(torch.randint(group.size, (), generator=rng))] = True
        kept.append(units)
    return kept


def test_mask_by_hand(known):
    net, groups = known["conv_flat"]
    kept = [bits(1, 0, 1, 1), bits(0, 1, 0), bits(1, 1, 1, 1, 0, 0, 1)]
    mask = mask_of(groups, net.layers, kept)
    assert mask.kept_per_layer() == {
        "0": 3 * 2 * 9,
        "2": 1 * 3 * 9,  # one row, three columns
        "6": 5 * 9,  # nine positions of one channel
        "8": 10 * 5,
    }
    assert mask.kept["6"][:, 9:18].any(1).tolist() == kept[2].tolist()
    assert not mask.kept["6"][:, :9].any()
    assert not mask.kept["2"][:, 1].any()
    assert {k: v.tolist() for k, v in mask.held.items()} == {
        "0.bias": kept[0].tolist(),
        "2.bias": kept[1].tolist(),
        "6.bias": kept[2].tolist(),
    }
    assert mask.layers == net.layers


def test_held_joins_the_parts_of_a_concatenation(known):
    net, groups = known["concat"]
    mask = mask_of(groups, net.layers, [bits(1, 0, 1), bits(0, 1, 1, 1), torch.ones(5) > 0])
    assert mask.held["bn.weight"].tolist() == [True, False, True, False, True, True, True]
    assert mask.kept["c"].flatten(2).any(2).any(0).tolist() == mask.held["bn.bias"].tolist()
    assert mask.kept_per_layer()["c"] == 5 * 5 * 9


@pytest.mark.parametrize("name", NAMES)
@settings(max_examples=cases(15))
@given(seed=st.integers(0, 10_000))
def test_removed_units_inverts_mask_of(known, name, seed):
    net, groups = known[name]
    kept = draw_kept(groups, seed)
    removed = removed_units(groups, mask_of(groups, net.layers, kept))
    assert all(torch.equal(~gone, units) for gone, units in zip(removed, kept, strict=True))


def test_unit_with_a_live_bias_is_not_removed(known):
    net, groups = known["mlp"]
    mask = mask_of(groups, net.layers, [bits(0, *[1] * 7), torch.ones(6) > 0])
    assert int(removed_units(groups, mask)[0].sum()) == 1
    assert not removed_units(groups, Mask(mask.kept))[0].any()


def test_every_group_needs_a_unit(known):
    net, groups = known["mlp"]
    mask = mask_of(groups, net.layers, [torch.zeros(8) > 0, torch.ones(6) > 0])
    with pytest.raises(UserError, match="removes every unit of 1; keep at least one"):
        removed_units(groups, mask)


def by_hand(groups, layers, scores: list[Tensor], k: int) -> Mask | None:
    """The first mask at or below k when units go one by one; None where there is none."""
    kept = [torch.ones(g.size, dtype=torch.bool) for g in groups]
    # later units go first among equals
    order = sorted(((float(s[i]), -g, -i) for g, s in enumerate(scores) for i in range(len(s))))
    best = [max(range(len(s)), key=lambda i, s=s: (float(s[i]), -i)) for s in scores]
    mask = mask_of(groups, layers, kept)
    for score, g, i in order:
        if mask.count <= k:
            return mask
        if -i != best[-g] and score != math.inf:
            kept[-g][-i] = False
            mask = mask_of(groups, layers, kept)
    return mask if mask.count <= k else None


@pytest.mark.parametrize("name", NAMES)
@settings(max_examples=cases(15))
@given(
    seed=st.integers(0, 10_000), density=st.floats(0.01, 1.0), levels=st.sampled_from([2, 5, 1000])
)
def test_largest_below_is_removal_one_by_one(known, name, seed, density, levels):
    net, groups = known[name]
    rng = torch.Generator().manual_seed(seed)
    # few levels make many ties
    scores = [torch.randint(levels, (g.size,), generator=rng).double() for g in groups]
    if seed % 3 == 0:
        scores[-1].fill_(math.inf)
    k = max(1, round(density * sum(layer.numel for layer in net.layers)))
    expected = by_hand(groups, net.layers, scores, k)
    if expected is None:
        with pytest.raises(Unreachable, match=f"{k} weights"):
            largest_below(groups, net.layers, scores, k)
        return
    mask = largest_below(groups, net.layers, scores, k)
    assert mask == expected
    assert mask.count <= k
    assert all(bool((~gone).any()) for gone in removed_units(groups, mask))


def test_ties_keep_the_earlier_unit(known):
    net, groups = known["mlp"]
    scores = [torch.ones(8), torch.ones(6)]
    total = 16 * 8 + 8 * 6 + 6 * 10
    mask = largest_below(groups, net.layers, scores, total - 1)
    assert [gone.tolist() for gone in removed_units(groups, mask)] == [
        [False] * 8,
        [False] * 5 + [True],
    ]


def test_whole_network_at_full_count(known):
    net, groups = known["resnet"]
    scores = [torch.rand(g.size) for g in groups]
    total = sum(layer.numel for layer in net.layers)
    assert largest_below(groups, net.layers, scores, total).count == total


def test_unreachable_names_the_smallest_density(known):
    net, groups = known["mlp"]
    with pytest.raises(Unreachable, match=r"27 of 236 weights remain.*smallest is 0\.1144"):
        largest_below(groups, net.layers, [torch.rand(8), torch.rand(6)], 26)


def test_nan_scores(known):
    net, groups = known["mlp"]
    with pytest.raises(ValueError, match="NaN"):
        largest_below(groups, net.layers, [torch.full((8,), math.nan), torch.rand(6)], 100)


@pytest.mark.parametrize("name", NAMES)
def test_shuffle_moves_whole_units(known, name):
    net, groups = known[name]
    kept = draw_kept(groups, 3)
    mask = mask_of(groups, net.layers, kept)
    rng = torch.Generator().manual_seed(0)
    shuffled = shuffle_units(net.module, net.shape, layers=net.layers, mask=mask, rng=rng)
    assert shuffled.kept_per_layer() == mask.kept_per_layer()
    units = [~gone for gone in removed_units(groups, shuffled)]
    assert [int(u.sum()) for u in units] == [int(u.sum()) for u in kept]
    # a structured mask again, of other units
    assert shuffled == mask_of(groups, net.layers, units)
    assert shuffled != mask
    # the same stream gives the same answer, and the original is as it was
    rng.manual_seed(0)
    assert shuffled == shuffle_units(
        net.module, net.shape, layers=net.layers, mask=mask, rng=rng, groups=groups
    )
    assert mask == mask_of(groups, net.layers, kept)
