"""The small network computes what the masked one does."""

from __future__ import annotations

import copy

import pytest
import torch
from torch import nn

from lth_bench.errors import UserError
from lth_bench.masks import Layer, Mask
from lth_bench.structure import largest_below, mask_of, measure_network, shrink_network, unit_groups

ALL = [
    "mlp",
    "conv_bn",
    "conv_flat",
    "resnet",
    "pre_activation",
    "concat",
    "depthwise",
    "vgg_bn",
    "lenet_300_100",
    "resnet20",
    "vgg_bn_wide",
]


def structured(net, density: float):
    """Groups, and a mask by random scores."""
    groups = unit_groups(net.module, net.shape)
    rng = torch.Generator().manual_seed(1)
    scores = [torch.rand(g.size, generator=rng) for g in groups]
    k = round(density * sum(layer.numel for layer in net.layers))
    return groups, largest_below(groups, net.layers, scores, k)


def masked_outputs(module: nn.Module, mask: Mask, x: torch.Tensor) -> torch.Tensor:
    twin = copy.deepcopy(module).eval()
    mask.apply_(twin.state_dict())
    with torch.no_grad():
        return twin(x)


@pytest.mark.parametrize("name", ALL)
def test_outputs_equal_the_masked_networks(make_net, name):
    net = make_net(name)
    groups, mask = structured(net, 0.3)
    # beside whole units, some weights of the survivors
    rng = torch.Generator().manual_seed(2)
    scattered = mask & Mask(
        {n: torch.rand(t.shape, generator=rng) < 0.8 for n, t in mask.kept.items()}
    )
    for dtype, tolerance in ((torch.float32, 1e-5), (torch.float64, 1e-12)):
        module = copy.deepcopy(net.module).to(dtype)
        x = torch.randn(4, *net.shape, dtype=dtype)
        for chosen in (mask, scattered):
            small = shrink_network(module, net.shape, chosen, groups)
            with torch.no_grad():
                got = small.eval()(x)
            assert float((got - masked_outputs(module, chosen, x)).abs().max()) <= tolerance
            weights = [dict(small.named_modules())[x.name].weight for x in net.layers]
            assert sum(w.numel() for w in weights) == mask.count


def test_small_network_trains_alike_in_training_mode(make_net):
    """Batch statistics are by channel, so the equality does not rest on eval mode."""
    net = make_net("resnet")
    net.module.double().train()
    _, mask = structured(net, 0.4)
    masked = copy.deepcopy(net.module)
    mask.apply_(masked.state_dict())
    small = shrink_network(net.module, net.shape, mask)
    assert small.training
    x = torch.randn(4, *net.shape, dtype=torch.float64)
    assert torch.allclose(small(x), masked(x), rtol=0, atol=1e-12)


def test_leaves_the_network_and_carries_its_modes(make_net):
    net = make_net("resnet")
    net.module.train()
    net.module.bn.eval()
    net.module.fc.bias.requires_grad_(False)
    before = {k: v.clone() for k, v in net.module.state_dict().items()}
    _, mask = structured(net, 0.4)
    small = shrink_network(net.module, net.shape, mask)
    for module in (net.module, small):
        assert module.training
        assert not module.bn.training
        assert module.blocks[0].bn1.training
        flags = {n for n, p in module.named_parameters() if not p.requires_grad}
        assert flags == {"fc.bias"}
    assert all(torch.equal(v, before[k]) for k, v in net.module.state_dict().items())
    assert all(p.grad is None for p in small.parameters())


def test_nothing_removed_keeps_the_size(make_net):
    net = make_net("conv_bn")
    small = shrink_network(net.module, net.shape, Mask.ones(net.layers))
    shapes = {k: v.shape for k, v in net.module.state_dict().items()}
    assert {k: v.shape for k, v in small.state_dict().items()} == shapes


def test_a_layer_without_units_is_refused(make_net):
    net = make_net("mlp")
    groups = unit_groups(net.module, net.shape)
    mask = mask_of(groups, net.layers, [torch.zeros(8) > 0, torch.ones(6) > 0])
    with pytest.raises(UserError, match="removes every unit"):
        shrink_network(net.module, net.shape, mask)


class Flipped(nn.Sequential):
    """The modules and names of the mlp, with its units in another order in between."""

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        hidden = torch.relu(self[1](x.flatten(1))).flip(1)
        return self[5](torch.relu(self[3](hidden)))


def test_what_computes_something_else_is_not_returned(make_net):
    """Even with groups that were found, wrongly, on another network."""
    net = make_net("mlp")
    groups, mask = structured(net, 0.5)
    flipped = Flipped(*net.module)
    with pytest.raises(
        UserError, match="Flipped does not support structured pruning: after removing this mask"
    ):
        shrink_network(flipped, net.shape, mask, groups)


def test_measure_by_hand():
    module = nn.Sequential(
        nn.Conv2d(1, 4, 3, padding=1),
        nn.BatchNorm2d(4),
        nn.ReLU(),
        nn.Flatten(),
        nn.Linear(64, 10),
    )
    module.train()
    cost = measure_network(module, (1, 4, 4), batch=3, repeats=3)
    assert cost["parameters"] == 36 + 4 + 8 + 640 + 10
    assert cost["flops"] == 2 * (36 * 16 + 640)
    assert cost["latency_seconds"] > 0
    assert module.training
    assert module[1].num_batches_tracked == 0
    with pytest.raises(ValueError, match="repeats must be at least 1"):
        measure_network(module, (1, 4, 4), repeats=0)


def test_a_network_that_looks_at_its_values_is_measured():
    class Looks(nn.Sequential):
        def forward(self, x: torch.Tensor) -> torch.Tensor:
            h = super().forward(x)
            return h if float(h.detach().abs().max()) < 1e6 else h / 1e6

    assert (
        measure_network(Looks(nn.Flatten(), nn.Linear(4, 3)), (1, 2, 2), repeats=1)["flops"] == 24
    )


def test_a_small_network_costs_less(make_net):
    net = make_net("resnet20")
    groups = unit_groups(net.module, net.shape)
    kept = [torch.arange(g.size) < g.size // 2 for g in groups]
    small = shrink_network(net.module, net.shape, mask_of(groups, net.layers, kept), groups)
    dense, cost = (measure_network(m, net.shape, repeats=1) for m in (net.module, small))
    assert dense["flops"] == 81_626_368  # as counted for this network elsewhere
    # half the channels, a quarter of the products; the first layer's inputs and the last one's
    # outputs stay
    ends = 2 * (3 * 16 * 9 * 1024 + 640)
    assert cost["flops"] == (dense["flops"] - ends) / 4 + ends / 2
    assert cost["parameters"] == sum(p.numel() for p in small.parameters())


def test_layers_follow_from_the_small_network(make_net):
    net = make_net("conv_flat")
    groups, mask = structured(net, 0.5)
    small = shrink_network(net.module, net.shape, mask, groups)
    layers = [Layer(x.name, x.kind, tuple(small.get_parameter(x.key).shape)) for x in net.layers]
    assert {x.name: x.numel for x in layers} == mask.kept_per_layer()
    # and it can be cut again
    assert len(unit_groups(small, net.shape)) == len(groups)
