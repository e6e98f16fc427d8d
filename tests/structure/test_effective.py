"""Weights on a path, by hand and against reachability by boolean matrices."""

from __future__ import annotations

import copy
from itertools import pairwise

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import nn

from lth_bench.masks import Mask
from lth_bench.structure import (
    effective_density,
    effective_mask,
    largest_below,
    mask_of,
    unit_groups,
)


def test_two_layers_by_hand():
    """Unit 0 has no input, unit 1 no output, unit 2 both."""
    module = nn.Sequential(nn.Flatten(), nn.Linear(2, 3), nn.ReLU(), nn.Linear(3, 2))
    mask = Mask(
        {
            "1": torch.tensor([[0, 0], [1, 1], [1, 0]]).bool(),
            "3": torch.tensor([[1, 0, 1], [1, 0, 0]]).bool(),
        }
    )
    found = effective_mask(module, (1, 1, 2), mask)
    assert found.kept["1"].int().tolist() == [[0, 0], [0, 0], [1, 0]]
    assert found.kept["3"].int().tolist() == [[0, 0, 1], [0, 0, 0]]
    assert effective_density(module, (1, 1, 2), mask) == pytest.approx(2 / 12)
    assert mask.density == pytest.approx(6 / 12)


def test_paths_lead_through_frozen_weights_by_hand():
    """All three kept weights are on a path of the dense network: none is as alone as above."""
    module = nn.Sequential(nn.Flatten(), nn.Linear(2, 3), nn.ReLU(), nn.Linear(3, 2))
    kept = {"1": torch.tensor([[0, 0], [1, 1], [0, 0]]), "3": torch.tensor([[1, 0, 0], [0, 0, 0]])}
    mask = Mask({name: tensor.bool() for name, tensor in kept.items()})
    assert effective_density(module, (1, 1, 2), mask) == 0
    frozen = mask.freezing({name: torch.ones(tensor.shape) for name, tensor in kept.items()})
    assert effective_mask(module, (1, 1, 2), frozen) == mask
    assert effective_density(module, (1, 1, 2), frozen) == pytest.approx(3 / 12)


@given(
    sizes=st.lists(st.integers(1, 6), min_size=2, max_size=5),
    density=st.floats(0.1, 0.9),
    seed=st.integers(0, 10_000),
)
def test_mlp_against_boolean_reachability(sizes, density, seed):
    rng = torch.Generator().manual_seed(seed)
    parts: list[nn.Module] = [nn.Flatten()]
    kept = {}
    for a, b in pairwise(sizes):
        parts += [nn.Linear(a, b), nn.ReLU()]
        kept[str(len(parts) - 2)] = torch.rand(b, a, generator=rng) < density
    mask = Mask(kept)

    forward = [torch.ones(sizes[0], dtype=torch.bool)]
    for matrix in kept.values():
        forward.append((matrix & forward[-1]).any(1))
    backward = [torch.ones(sizes[-1], dtype=torch.bool)]
    for matrix in reversed(kept.values()):
        backward.insert(0, (matrix & backward[0][:, None]).any(0))
    expected = {
        name: matrix & reached[None, :] & reaching[:, None]
        for (name, matrix), reached, reaching in zip(
            kept.items(), forward, backward[1:], strict=False
        )
    }
    module = nn.Sequential(*parts)
    assert effective_mask(module, (1, 1, sizes[0]), mask) == Mask(expected)


@pytest.mark.parametrize(
    "name", ["mlp", "conv_bn", "conv_flat", "resnet", "pre_activation", "concat", "depthwise"]
)
def test_structured_and_dense_masks_are_all_effective(make_net, name):
    net = make_net(name)
    assert effective_density(net.module, net.shape, Mask.ones(net.layers)) == 1.0
    groups = unit_groups(net.module, net.shape)
    rng = torch.Generator().manual_seed(1)
    scores = [torch.rand(g.size, generator=rng) for g in groups]
    k = round(0.4 * sum(layer.numel for layer in net.layers))
    mask = largest_below(groups, net.layers, scores, k)
    assert effective_mask(net.module, net.shape, mask) == Mask(mask.kept)


def test_a_dead_layer_kills_the_network(make_net):
    net = make_net("conv_flat")
    mask = Mask.ones(net.layers)
    dead = Mask({**mask.kept, "2": torch.zeros_like(mask.kept["2"])})
    assert effective_density(net.module, net.shape, dead) == 0.0


def test_a_residual_sum_leads_past_a_dead_layer(make_net):
    net = make_net("resnet")
    mask = Mask.ones(net.layers)
    dead = Mask({**mask.kept, "blocks.0.conv2": torch.zeros_like(mask.kept["blocks.0.conv2"])})
    lost = {n: mask.kept[n].sum().item() for n in ("blocks.0.conv1", "blocks.0.conv2")}
    found = effective_mask(net.module, net.shape, dead)
    assert found.count == mask.count - sum(lost.values())
    assert not found.kept["blocks.0.conv1"].any()


def test_flattened_positions_are_apart(make_net):
    """A channel lives on while one of its nine positions is read."""
    net = make_net("conv_flat")
    kept = {n: t.clone() for n, t in Mask.ones(net.layers).kept.items()}
    kept["6"][:, :8] = False  # eight of the first channel's nine columns
    mask = Mask(kept)
    assert effective_mask(net.module, net.shape, mask) == mask
    kept["6"][:, 8] = False
    found = effective_mask(net.module, net.shape, Mask(kept))
    assert not found.kept["2"][0].any()
    assert found.count == Mask(kept).count - 4 * 9


def test_anywhere_in_the_kernel_counts():
    """On one pixel, a corner of a padded kernel sees zeros only; it is connected all the same."""
    module = nn.Sequential(nn.Conv2d(1, 1, 3, padding=1), nn.Flatten(), nn.Linear(1, 2))
    corner = torch.zeros(1, 1, 3, 3, dtype=torch.bool)
    corner[0, 0, 0, 0] = True
    mask = Mask({"0": corner, "2": torch.ones(2, 1, dtype=torch.bool)})
    assert effective_density(module, (1, 1, 1), mask) == pytest.approx(3 / 11)


def test_gammas_held_at_zero_cut_paths(make_net):
    net = make_net("conv_bn")
    mask = Mask.ones(net.layers)
    held = torch.arange(6) != 2
    found = effective_mask(net.module, net.shape, Mask(mask.kept, {"bn1.weight": held}))
    assert found.count == mask.count - 9 - 5 * 9
    groups = unit_groups(net.module, net.shape)
    assert Mask(found.kept) == Mask(
        mask_of(groups, net.layers, [held, torch.ones(5, dtype=torch.bool)]).kept
    )


def test_values_do_not_matter_and_stay(make_net):
    net = make_net("resnet")
    rng = torch.Generator().manual_seed(0)
    mask = Mask(
        {x.name: torch.rand(x.shape, generator=rng) < 0.05 for x in net.layers},
    )
    net.module.train()
    before = copy.deepcopy(net.module.state_dict())
    state = torch.get_rng_state()
    with torch.no_grad():
        density = effective_density(net.module, net.shape, mask)
    assert 0 < density < mask.density
    assert net.module.training
    assert torch.equal(state, torch.get_rng_state())
    assert all(torch.equal(v, before[k]) for k, v in net.module.state_dict().items())
    assert effective_density(make_net("resnet", 7).module, net.shape, mask) == density
    broken = copy.deepcopy(net.module)
    for value in broken.state_dict().values():
        value.fill_(float("nan") if value.is_floating_point() else 0)
    assert effective_density(broken, net.shape, mask) == density


@pytest.mark.parametrize("activation", [nn.GELU, nn.SiLU, nn.Tanh, nn.ReLU6, nn.Hardswish])
def test_other_activations(activation):
    """Deep enough that ReLU6 would saturate on an input of ones."""

    class Deep(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.convs = nn.ModuleList(nn.Conv2d(2, 2, 1) for _ in range(6))
            self.norm = nn.LayerNorm([2, 2, 2])
            self.act = activation()
            self.fc = nn.Linear(8, 3)

        def forward(self, x):
            for conv in self.convs:
                x = x + self.act(conv(x))
            return self.fc(self.norm(x).flatten(1))

    module = Deep()
    kept = {f"convs.{i}": torch.ones(2, 2, 1, 1, dtype=torch.bool) for i in range(6)}
    kept["fc"] = torch.ones(3, 8, dtype=torch.bool)
    kept["fc"][:, 4:] = False  # nobody reads channel 1 at the end
    found = effective_mask(module, (2, 2, 2), Mask(kept))
    assert found.kept["convs.5"].flatten(1).tolist() == [[True, True], [False, False]]
    assert all(found.kept[f"convs.{i}"].all() for i in range(5))
