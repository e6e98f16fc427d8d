"""Batches and their augmentation, by brute force over every crop and flip."""

from __future__ import annotations

import dataclasses
from itertools import combinations

import pytest
import torch
import torch.nn.functional as F

from lth_bench.data.arrays import Arrays
from lth_bench.training.input.resident import ResidentData
from lth_bench.training.recipe import Recipe

PLAIN = Recipe(steps=100, batch_size=16, val_size=20)


@pytest.fixture
def pictures():
    """Random 5×7 pictures in two channels, all pixels bright, so that black is padding."""
    rng = torch.Generator().manual_seed(0)
    x = torch.randint(1, 256, (70, 2, 5, 7), generator=rng).to(torch.uint8)
    y = torch.arange(70) % 4
    return Arrays(x, y, x[:4], y[:4], classes=4)


@pytest.fixture
def data(pictures):
    return ResidentData(pictures, 20, torch.device("cpu"))


def candidates(data, index, pad, flip):
    """Every crop (and flip) of one training image, normalised, in a fixed order."""
    found = []
    for mirrored in (False, True) if flip else (False,):
        image = data.train.x[index]
        image = image.flip(2) if mirrored else image
        padded = F.pad(image, (pad,) * 4)
        for top in range(2 * pad + 1):
            for left in range(2 * pad + 1):
                found.append(padded[:, top : top + 5, left : left + 7])
    return data.normalise(torch.stack(found))


@pytest.mark.parametrize(("pad", "flip"), [(0, True), (2, False), (1, True)])
def test_each_image_is_one_of_its_crops_and_flips(pad, flip, data):
    recipe = dataclasses.replace(PLAIN, crop=pad, flip=flip)
    seen = set()
    for step in range(30):
        x, y = data.batch(step, 5, recipe)
        plain, labels = data.batch(step, 5, PLAIN)
        assert x.shape == (16, 2, 5, 7)
        assert torch.equal(y, labels)
        whole = data.normalise(data.train.x)
        for image, original in zip(x, plain, strict=True):
            index = int((whole == original).flatten(1).all(1).nonzero().item())
            fits = (candidates(data, index, pad, flip) == image).flatten(1).all(1)
            assert int(fits.sum()) == 1
            seen.add(int(fits.nonzero().item()))
    # 480 draws meet every crop and flip, of which there are at most 25
    assert len(seen) == (2 * pad + 1) ** 2 * (2 if flip else 1)


def test_a_crop_shifts_and_fills_with_black(data):
    recipe = dataclasses.replace(PLAIN, crop=3)
    black = data.normalise(torch.zeros(1, 2, 1, 1, dtype=torch.uint8))
    widths = set()
    for step in range(20):
        x, _ = data.batch(step, 0, recipe)
        empty = (x == black).all(1)  # [N, H, W]; no pixel of a picture is black
        rows, columns = empty.all(2), empty.all(1)
        # what is empty is whole rows and columns, at one side
        assert torch.equal(empty, rows[:, :, None] | columns[:, None, :])
        widths |= set(columns.sum(1).tolist())
    assert widths == {0, 1, 2, 3}


def test_augmentation_is_a_function_of_seed_and_step(data):
    recipe = dataclasses.replace(PLAIN, crop=2, flip=True)
    x, y = data.batch(7, 1, recipe)
    torch.rand(3)
    again, labels = data.batch(7, 1, recipe)
    assert torch.equal(x, again)
    assert torch.equal(y, labels)
    other, _ = data.batch(7, 2, recipe)
    assert not torch.equal(x, other)


def test_the_order_is_a_function_of_seed_and_epoch(data):
    batches = {(s, step): data.batch(step, s, PLAIN)[0] for s in (1, 2) for step in (0, 3)}
    assert torch.equal(batches[1, 0], data.batch(0, 1, PLAIN)[0])
    for one, other in combinations(batches.values(), 2):
        assert not torch.equal(one, other)


def test_an_epoch_shows_each_example_once_and_drops_the_short_batch(data):
    whole = data.normalise(data.train.x)
    for epoch in range(2):
        steps = range(3 * epoch, 3 * epoch + 3)  # 50 examples in batches of 16
        x = torch.cat([data.batch(step, 0, PLAIN)[0] for step in steps])
        index = [(whole == image).flatten(1).all(1).nonzero().item() for image in x]
        assert len(index) == len(set(index)) == 48


def test_pixels_have_mean_zero_and_deviation_one(pictures, data):
    x = data.normalise(data.train.x).double()
    assert x.mean((0, 2, 3)).tolist() == pytest.approx([0, 0], abs=1e-5)
    assert x.var((0, 2, 3), unbiased=False).sqrt().tolist() == pytest.approx([1, 1], abs=1e-5)
    assert len(data.train) == 50
    assert len(data.val) == 20


def test_a_channel_without_contrast_stays_finite():
    x = torch.zeros(30, 1, 4, 4, dtype=torch.uint8)
    y = torch.arange(30) % 3
    data = ResidentData(Arrays(x, y, x, y, classes=3), 5, torch.device("cpu"))
    assert bool(torch.isfinite(data.normalise(x)).all())
