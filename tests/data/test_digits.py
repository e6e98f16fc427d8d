from __future__ import annotations

from pathlib import Path

import torch
from sklearn.datasets import load_digits

from lth_bench.data.digits import Digits


def test_digits(tmp_path: Path) -> None:
    arrays = Digits().load(tmp_path)
    assert arrays.info == Digits().info(tmp_path)
    assert arrays.info.input_shape == (1, 8, 8)
    assert (arrays.info.train_size, arrays.info.test_size) == (1297, 500)
    assert int(arrays.train_x.max()) == 255
    # every class in proportion, in both splits
    whole = torch.bincount(torch.cat([arrays.train_y, arrays.test_y]))
    assert (torch.bincount(arrays.test_y) - whole * 500 / 1797).abs().max() <= 1
    # nothing lost, nothing twice
    original = torch.from_numpy(load_digits().images).flatten(1).mul(255 / 16).round()
    ours = torch.cat([arrays.train_x, arrays.test_x]).flatten(1)
    assert sorted(ours.tolist()) == sorted(original.to(torch.uint8).tolist())


def test_the_split_is_fixed(tmp_path: Path) -> None:
    # recorded: another split would make stored results incomparable
    assert Digits().load(tmp_path).fingerprint() == "530c712a8974b15d5407e8e65148147a427fda49"
