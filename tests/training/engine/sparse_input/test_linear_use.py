"""Where the background is left out."""

from __future__ import annotations

import pytest
import torch

from lth_bench.data.arrays import Arrays
from lth_bench.models.conv_bn import ConvBN
from lth_bench.models.mlp import MLP
from lth_bench.training.engine.sparse_input import linear
from lth_bench.training.engine.sparse_input.linear import sparse_stages
from lth_bench.training.recipe import Recipe

NET, RECIPE = MLP(hidden=(40, 12)), Recipe(steps=30, batch_size=30, val_size=60)
CPU = torch.device("cpu")


def stages(bench, device=CPU):
    return sparse_stages(bench.network.module, bench.data, device)


def test_large_chains_on_images_that_are_mostly_background(
    make_bench, dark, blobs, any_size, monkeypatch
):
    bench = make_bench(NET, RECIPE, dark)
    assert [stage.name for stage in stages(bench)] == ["fc1", "fc2", "fc3"]
    assert stages(bench, torch.device("cuda")) is None
    assert stages(make_bench(NET, RECIPE, blobs)) is None
    assert stages(make_bench(ConvBN(), RECIPE, dark)) is None
    others = int((bench.data.train.x != 0).sum())
    monkeypatch.setattr(linear, "MOST", others)
    assert stages(bench) is not None
    monkeypatch.setattr(linear, "MOST", others - 1)
    assert stages(bench) is None
    monkeypatch.setattr(linear, "MOST", others)
    monkeypatch.setattr(linear, "SMALLEST", 36 * 40 + 1)
    assert stages(bench) is None


def test_machines_without_the_kernel_stay_dense(make_bench, dark, any_size, monkeypatch):
    monkeypatch.setattr(linear, "engines", lambda: ["qnnpack"])
    assert stages(make_bench(NET, RECIPE, dark)) is None


def test_small_networks_stay_dense(make_bench, dark):
    assert stages(make_bench(NET, RECIPE, dark)) is None


def test_the_background_is_the_value_that_most_pixels_have(make_bench, dark):
    data = make_bench(NET, RECIPE, dark).data
    share = (data.train.x == 0).float().mean()
    assert data.background.value == 0
    assert data.background.share == pytest.approx(float(share), abs=1e-6)
    white = Arrays(255 - dark.train_x, dark.train_y, 255 - dark.test_x, dark.test_y, classes=3)
    data = make_bench(NET, RECIPE, white).data
    assert data.background.value == 255
    shades = data.normalise(torch.arange(256, dtype=torch.uint8).view(256, 1, 1, 1))
    assert torch.equal(data.background.shades, shades.view(256))


def test_images_of_several_channels_have_none(make_bench, dark):
    x = dark.train_x.expand(-1, 3, -1, -1).contiguous()
    test = dark.test_x.expand(-1, 3, -1, -1).contiguous()
    colours = Arrays(x, dark.train_y, test, dark.test_y, classes=3)
    assert make_bench(NET, RECIPE, colours).data.background is None
