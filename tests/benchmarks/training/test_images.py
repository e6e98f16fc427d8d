"""Images one by one: the stand-ins do what torchvision's transforms do."""

from __future__ import annotations

import numpy as np
import pytest
import torch
import torch.nn.functional as F

from training import images, plain_transforms
from training.images import Images, transforms
from training.samples import made


@pytest.mark.parametrize("channels", [1, 3])
def test_plain_transforms_do_what_torchvision_does(
    channels: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    arrays = made((channels, 8, 8), 4, 1)
    theirs = Images(arrays.train_x, arrays.train_y)
    assert images.decoder() == "torchvision"
    monkeypatch.setattr(images, "decoder", lambda: "plain")
    mine = Images(arrays.train_x, arrays.train_y)
    for i in range(4):
        torch.testing.assert_close(mine[i][0], theirs[i][0])
        assert mine[i][1] == theirs[i][1] == int(arrays.train_y[i])


@pytest.mark.parametrize("decoder", ["plain", "torchvision"])
def test_crops_and_flips_are_cut_from_the_padded_image(
    decoder: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(images, "decoder", lambda: decoder)
    image = torch.arange(1, 1 + 3 * 6 * 6, dtype=torch.uint8).view(6, 6, 3).numpy()
    opened, transform = transforms((3, 6), crop=2, flip=True)
    mean, std = (torch.tensor(s).view(3, 1, 1) for s in images.STATISTICS[3])
    padded = F.pad(torch.from_numpy(image).permute(2, 0, 1), (2, 2, 2, 2))
    allowed = {
        tuple(cut.flatten().tolist())
        for whole in (padded, padded.flip(2))
        for top in range(5)
        for left in range(5)
        for cut in [whole[:, top : top + 6, left : left + 6]]
    }
    torch.manual_seed(0)
    seen = set()
    for _ in range(60):
        pixels = (transform(opened(image)) * std + mean) * 255
        seen.add(tuple(pixels.round().int().flatten().tolist()))
    assert seen <= allowed
    assert len(seen) > 20  # of 50


def test_plain_image_is_left_alone() -> None:
    array = np.arange(4, dtype=np.uint8).reshape(2, 2)
    mirror = plain_transforms.RandomHorizontalFlip()
    for _ in range(8):
        mirror(plain_transforms.Image(array))
    assert array.tolist() == [[0, 1], [2, 3]]
