"""Masks to and from torch.nn.utils.prune and plain state dicts."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import nn
from torch.nn.utils import prune

from lth_bench import Mask, UserError, mask_from, prune_with_torch
from lth_bench.masks import weight_key


def network() -> nn.Module:
    return nn.Sequential(
        nn.Conv2d(1, 3, 3), nn.BatchNorm2d(3), nn.Flatten(), nn.Linear(48, 5), nn.Embedding(4, 5)
    )


def some_mask(seed: int) -> Mask:
    draws = torch.Generator().manual_seed(seed)
    return Mask(
        {
            "0": torch.rand(3, 1, 3, 3, generator=draws) < 0.5,
            "3": torch.rand(5, 48, generator=draws) < 0.5,
        }
    )


@given(st.integers(0, 10**6))
def test_to_torch_and_back(seed: int) -> None:
    mask = some_mask(seed)
    net = prune_with_torch(network(), mask)
    assert prune.is_pruned(net)
    assert torch.equal(net[0].weight_mask.bool(), mask.kept["0"])
    assert mask_from(net) == mask
    assert mask_from(net.state_dict()).kept["3"].equal(mask.kept["3"])


def test_attention_recurrent_and_declared_weights_to_torch_and_back() -> None:
    net = nn.Module()
    net.attention, net.lstm = nn.MultiheadAttention(4, 2), nn.LSTM(4, 3)
    net.inner = nn.Parameter(torch.randn(2, 2))
    names = ("attention/in_proj_weight", "attention.out_proj", "lstm/weight_ih_l0", "/inner")
    kept = {n: torch.rand(net.get_parameter(weight_key(n)).shape) < 0.5 for n in names}
    kept["lstm/weight_hh_l0"] = torch.ones(12, 3, dtype=torch.bool)
    mask = Mask(kept)
    state = prune_with_torch(net, mask).state_dict()
    assert mask_from(state) == mask
    assert mask_from(net).kept.keys() == kept.keys()
    net.lstm(torch.zeros(1, 1, 4))
    assert not net.lstm.weight_ih_l0[~kept["lstm/weight_ih_l0"]].any()


def test_torch_s_masks_hold_while_it_trains() -> None:
    mask = some_mask(0)
    net = prune_with_torch(network()[:4], mask)
    optimizer = torch.optim.SGD(net.parameters(), lr=0.1, momentum=0.9, weight_decay=0.1)
    for _ in range(3):
        net(torch.randn(4, 1, 6, 6)).square().mean().backward()
        optimizer.step()
    prune.remove(net[0], "weight")
    assert not net[0].weight[~mask.kept["0"]].any()
    assert net[0].weight[mask.kept["0"]].all()


def test_what_a_structured_mask_holds_is_pruned_too() -> None:
    held = torch.tensor([True, False, True])
    mask = some_mask(1)
    mask = Mask(mask.kept, {"0.bias": held, "1.weight": held})
    net = prune_with_torch(network(), mask)
    assert not net[0].bias[1].any() and not net[1].weight[1].any()
    assert mask_from(net) == mask


def test_zeros_of_a_plain_state_dict_count_as_pruned() -> None:
    mask = some_mask(2)
    net = network()
    mask.apply_(net.state_dict())
    assert mask_from(net) == mask  # the embedding is no layer
    values = {k: v for k, v in net.state_dict().items() if k != "4.weight"}
    assert mask_from(values) == mask


def test_a_layer_that_torch_did_not_prune_is_kept_whole() -> None:
    net = network()
    prune.l1_unstructured(net[3], "weight", amount=100)
    found = mask_from(net)
    assert int((~found.kept["3"]).sum()) == 100
    assert found.kept["0"].all()


def test_a_mask_of_another_network_is_refused() -> None:
    mask = some_mask(0)
    with pytest.raises(
        UserError, match=r"Linear has no parameter '0.weight'.*network of this mask"
    ):
        prune_with_torch(nn.Linear(48, 5), mask)
    with pytest.raises(UserError, match=r"shape \[5, 48\], but .* parameter has \[5, 47\]"):
        prune_with_torch(nn.Sequential(*network()[:3], nn.Linear(47, 5)), mask)
    net = prune_with_torch(network(), mask)
    with pytest.raises(UserError, match="pruned by torch already"):
        prune_with_torch(net, mask)
    with pytest.raises(UserError, match="no layer's weight among weight, bias"):
        mask_from(nn.BatchNorm2d(3).state_dict())
