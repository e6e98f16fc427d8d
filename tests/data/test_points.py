from __future__ import annotations

from pathlib import Path

import pytest
import torch

from lth_bench.data.points import Points

ROOT = Path("nowhere")


@pytest.mark.parametrize("name", ["xor", "moons", "circles", "blobs"])
def test_info_tells_what_load_gives_and_classes_are_level(name) -> None:
    dataset = Points(name, train=60, test=31, clusters=4)
    arrays = dataset.load(ROOT)
    dataset.info(ROOT).require(arrays.info)
    counts = torch.bincount(torch.cat([arrays.train_y, arrays.test_y]))
    assert int(counts.max() - counts.min()) <= 1
    assert dataset.load(ROOT).fingerprint() == arrays.fingerprint()
    assert Points(name, train=60, test=31, seed=1).load(ROOT).fingerprint() != arrays.fingerprint()


def test_without_noise_points_lie_where_the_problem_says() -> None:
    xor = Points("xor", train=40, test=4, noise=0).load(ROOT)
    assert bool((xor.train_x.abs() == 1).all())
    assert torch.equal((xor.train_x[:, 0] != xor.train_x[:, 1]).long(), xor.train_y)
    circles = Points("circles", train=40, test=4, noise=0).load(ROOT)
    assert torch.allclose(circles.train_x.norm(dim=1), 1 - 0.5 * circles.train_y.float())
    moons = Points("moons", train=400, test=4, noise=0).load(ROOT)
    x = moons.train_x + torch.tensor([0.5, 0.25])
    upper, lower = x[moons.train_y == 0], x[moons.train_y == 1]
    assert torch.allclose(upper.norm(dim=1), torch.ones(len(upper)), atol=1e-5)
    assert float(upper[:, 1].min()) >= -1e-6
    centre = torch.tensor([1.0, 0.5])
    assert torch.allclose((lower - centre).norm(dim=1), torch.ones(len(lower)), atol=1e-5)
    blobs = Points("blobs", train=40, test=4, noise=0, clusters=5).load(ROOT)
    assert len(blobs.train_x.mul(1e4).round().unique(dim=0)) == 5
