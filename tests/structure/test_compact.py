"""The network without units that have no effect computes the same."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import nn

from lth_bench.errors import UserError
from lth_bench.structure.compact import compact_network


def shapes(network: nn.Module) -> list[tuple[int, ...]]:
    """Of the weights of layers."""
    layers = (nn.Linear, nn.Conv2d)
    return [tuple(m.weight.shape) for m in network.modules() if isinstance(m, layers)]


def require_same(network: nn.Module, small: nn.Module, *shape: int) -> None:
    x = torch.randn(7, *shape, generator=torch.Generator().manual_seed(3))
    torch.testing.assert_close(small(x), network.eval()(x))


@pytest.fixture
def mlp() -> Any:
    torch.manual_seed(0)
    layers = (nn.Flatten(), nn.Linear(16, 8), nn.ReLU(), nn.Linear(8, 6), nn.ReLU())
    return nn.Sequential(*layers, nn.Linear(6, 3))


@torch.no_grad()
def test_neurons_that_a_mask_empties_are_cut_out(mlp: Any) -> None:
    first, second, last = mlp[1], mlp[3], mlp[5]
    first.weight[0] = 0
    first.bias[0] = 0.7  # passes on a constant, which goes into the next bias
    first.weight[1] = 0
    first.bias[1] = -0.7  # passes on nothing
    second.weight[:, 2] = 0  # nothing reads it
    last.weight[:, 4] = 0
    second.weight[:4, 3] = 0
    second.weight[5:, 3] = 0  # only neuron 4 reads it, which nothing reads
    small = compact_network(mlp, (1, 4, 4))
    assert shapes(small) == [(4, 16), (5, 4), (3, 5)]
    require_same(mlp, small, 1, 4, 4)
    assert not small.training


@torch.no_grad()
def test_a_constant_channel_is_cut_out_unless_padding_changes_it() -> None:
    torch.manual_seed(0)
    network = nn.Sequential(
        nn.Conv2d(1, 6, 3, padding=1), nn.BatchNorm2d(6), nn.ReLU(),
        nn.Conv2d(6, 4, 3, padding=1), nn.ReLU(),
        nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(4, 3),
    )  # fmt: skip
    first, norm, second = network[0], network[1], network[3]
    first.weight[:2] = 0
    first.bias[0], norm.bias[0] = 5, 3  # a constant above zero, and at the border zeros beside it
    first.bias[1], norm.bias[1] = 0, -9  # always zero behind the ReLU
    second.weight[2] = 0
    second.bias[2] = 0.3  # a constant that the linear layer's bias can hold
    small = compact_network(network, (1, 8, 8))
    assert shapes(small) == [(5, 1, 3, 3), (3, 5, 3, 3), (3, 3)]
    require_same(network, small, 1, 8, 8)


@torch.no_grad()
def test_without_padding_the_constant_goes_into_the_bias() -> None:
    torch.manual_seed(0)
    network = nn.Sequential(
        nn.Conv2d(1, 4, 3), nn.ReLU(), nn.Conv2d(4, 2, 3), nn.Flatten(), nn.Linear(8, 3)
    )
    network[0].weight[3] = 0
    network[0].bias[3] = 2.0
    small = compact_network(network, (1, 6, 6))
    assert shapes(small) == [(3, 1, 3, 3), (2, 3, 3, 3), (3, 8)]
    require_same(network, small, 1, 6, 6)


@torch.no_grad()
def test_a_layer_keeps_a_neuron_and_the_network_its_values(mlp: Any) -> None:
    mlp[3].weight.zero_()
    before = {key: value.clone() for key, value in mlp.state_dict().items()}
    small = compact_network(mlp.double(), (1, 4, 4))
    assert shapes(small) == [(1, 16), (1, 1), (3, 1)]
    assert next(small.parameters()).dtype == torch.float64
    x = torch.randn(5, 1, 4, 4, dtype=torch.float64)
    torch.testing.assert_close(small(x), mlp(x))
    assert all(torch.equal(mlp.state_dict()[key], value.double()) for key, value in before.items())


def test_a_network_whose_every_unit_has_an_effect_stays(mlp: Any) -> None:
    assert shapes(compact_network(mlp, (1, 4, 4))) == shapes(mlp)


def test_a_network_without_units_is_refused() -> None:
    with pytest.raises(UserError, match="has no channel or neuron to remove"):
        compact_network(nn.Sequential(nn.Flatten(), nn.Linear(16, 3)), (1, 4, 4))
