from __future__ import annotations

import pytest
import torch
from torch import Tensor, nn

from lth_bench.errors import UserError
from lth_bench.masks.layers import Layer
from lth_bench.models.prunable import prunable_layers

SHAPE = (3, 4, 4)


def test_names_kinds_and_shapes() -> None:
    net = nn.Sequential(
        nn.Conv2d(3, 5, 3), nn.BatchNorm2d(5), nn.ReLU(), nn.Flatten(), nn.Linear(20, 6),
        nn.Linear(6, 2),
    )  # fmt: skip
    assert prunable_layers(net, SHAPE, 2) == (
        Layer("0", "conv", (5, 3, 3, 3)),
        Layer("4", "linear", (6, 20)),
        Layer("5", "output", (2, 6)),
    )


def test_a_convolution_may_be_the_output() -> None:
    net = nn.Sequential(nn.Conv2d(3, 5, 3), nn.Conv2d(5, 7, 2), nn.Flatten())
    assert [x.kind for x in prunable_layers(net, SHAPE, 7)] == ["conv", "output"]


class Backwards(nn.Module):
    """Registers its layers in another order than it calls them, and calls one twice."""

    def __init__(self) -> None:
        super().__init__()
        self.last = nn.Linear(4, 4)
        self.first = nn.Linear(48, 4)
        self.shared = nn.Linear(4, 4)
        self.alias = self.shared
        self.idle = nn.Linear(9, 4)

    def forward(self, x: Tensor) -> Tensor:
        logits: Tensor = self.last(self.alias(self.shared(self.first(x.flatten(1)))))
        return logits


def test_output_is_the_last_executed_layer_and_shared_ones_count_once() -> None:
    layers = prunable_layers(Backwards(), SHAPE, 4)
    assert [(x.name, x.kind) for x in layers] == [
        ("last", "output"), ("first", "linear"), ("shared", "linear"), ("idle", "linear"),
    ]  # fmt: skip


def test_tied_weights_count_once() -> None:
    net = nn.Sequential(nn.Flatten(), nn.Linear(48, 48), nn.Linear(48, 48), nn.Linear(48, 2))
    net[2].weight = net[1].weight
    assert [x.name for x in prunable_layers(net, SHAPE, 2)] == ["1", "3"]


def test_the_module_is_left_as_it_was() -> None:
    net = nn.Sequential(nn.Conv2d(3, 5, 3), nn.BatchNorm2d(5), nn.Flatten(), nn.Linear(20, 2))
    net = net.double().train()
    before = {key: value.clone() for key, value in net.state_dict().items()}
    random = torch.get_rng_state()
    prunable_layers(net, SHAPE, 2)
    assert net.training
    assert all(torch.equal(before[key], value) for key, value in net.state_dict().items())
    assert not any(part._forward_hooks for part in net.modules())
    assert torch.equal(torch.get_rng_state(), random)


@pytest.mark.parametrize(
    ("net", "message"),
    [
        (nn.Sequential(nn.Flatten(), nn.Linear(7, 2)), r"input of shape \[3, 4, 4\]"),
        (nn.Sequential(nn.Conv2d(3, 2, 1)), r"outputs of shape \[2, 2\].*\[2, 2, 4, 4\]"),
        (nn.Sequential(nn.Flatten(), nn.Linear(48, 3)), r"outputs of shape \[2, 2\].*\[2, 3\]"),
        (
            nn.Flatten(),
            "nothing to prune: no convolution, linear, attention or recurrent layer",
        ),
    ],
)
def test_networks_that_do_not_fit(net: nn.Module, message: str) -> None:
    with pytest.raises(UserError, match=message):
        prunable_layers(net, SHAPE, 2)
