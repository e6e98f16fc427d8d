"""The bare products are the network's own, in number and in shape."""

from __future__ import annotations

import pytest
import torch

from lth_bench.models.prunable import prunable_layers
from lth_bench.training.flops import count_flops
from training.floors import floor_steps, products
from training.nets import NETS
from training.paper import paper_floor


@pytest.mark.parametrize("name", ["lenet_300_100", "conv2", "resnet20"])
def test_products_have_the_flops_that_the_engine_counts(name: str) -> None:
    net = NETS[name]
    module = net.build()
    counted = count_flops(module, prunable_layers(module, net.shape, 10), net.shape)
    found = products(module, net.shape, 128)
    assert sum(p.flops for p in found) == 128 * counted.step
    assert [p.by_input for p in found][:2] == [False, True]


def test_lenet_on_paper() -> None:
    """144 MFLOP and 2 to 2.5 µs of memory a step, as worked out by hand."""
    found = products(NETS["lenet_300_100"].build(), (1, 28, 28), 128)
    assert sum(p.flops for p in found) == pytest.approx(144e6, rel=0.01)
    assert 2e-6 < paper_floor(found, "float32", "adam").memory < 2.6e-6


@pytest.mark.parametrize(
    ("name", "compute", "memory"),
    [("conv2", 0.016, 0.021), ("resnet20", 0.015, 0.031), ("resnet18", 0.211, 0.100)],
)
def test_epochs_on_paper(name: str, compute: float, memory: float) -> None:
    """Seconds of an epoch of 50,000 images on an H200 in bfloat16, as worked out by hand."""
    net = NETS[name]
    floor = paper_floor(products(net.build(), net.shape, 128), "bfloat16", "none")
    epoch = 50_000 / 128
    assert epoch * floor.arithmetic == pytest.approx(compute, rel=0.05)
    assert epoch * floor.activations == pytest.approx(memory, rel=0.1)


@pytest.mark.parametrize("width", [1, 3])
def test_every_way_does_every_product(width: int) -> None:
    conv = torch.nn.Conv2d(3, 4, 3, stride=2, padding=1)
    rest = [torch.nn.Conv2d(4, 4, 3), torch.nn.Flatten(), torch.nn.Linear(16, 10)]
    found = products(torch.nn.Sequential(conv, *rest), (3, 8, 8), 2)
    ways = floor_steps(found, width, torch.device("cpu"), torch.float32)
    expected = {"apart", "apart, channels_last"}
    assert set(ways) == expected | ({"stacked", "stacked, channels_last"} if width > 1 else set())
    for step in ways.values():
        with torch.profiler.profile() as profile:
            step()
        counts = {e.key: e.count for e in profile.key_averages()}
        members = counts["aten::convolution_backward"] // 2
        assert counts["aten::conv2d"] == 2 * members
        assert counts["aten::matmul"] == 3 * members
        assert members in (1, width)
