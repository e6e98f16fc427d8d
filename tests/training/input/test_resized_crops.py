"""Crops of random size: torchvision's pixels, and the boxes that were asked for."""

from __future__ import annotations

import math

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor
from torchvision.transforms import RandomResizedCrop
from torchvision.transforms.functional import resized_crop as in_floats
from torchvision.transforms.v2.functional import resized_crop

from lth_bench.training.input.resized_crops import (
    ResizedCrops,
    draw_boxes,
    scale_at_once,
    scale_each,
)
from lth_bench.training.recipe import ResizedCrop


def rng(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def drawn(
    n: int, stored: tuple[int, int], seed: int = 0, crop: ResizedCrop | None = None
) -> Tensor:
    """Boxes, every third one mirrored: int64 [5, n]."""
    boxes = draw_boxes(n, crop or ResizedCrop(), stored, rng(seed))
    return torch.cat((boxes, (torch.arange(n) % 3 == 0).long()[None]))


def theirs(x: Tensor, boxes: Tensor, size: tuple[int, int]) -> Tensor:
    """The same by torchvision, an image at a time."""
    found = []
    for image, (*box, mirrored) in zip(x, boxes.T.tolist(), strict=True):
        scaled = resized_crop(image, *box, list(size), antialias=True)
        found.append(scaled.flip(2) if mirrored else scaled)
    return torch.stack(found)


def away(a: Tensor, b: Tensor) -> int:
    """The largest difference of two images' pixels."""
    assert (a.shape, a.dtype) == (b.shape, b.dtype)
    return int((a.int() - b.int()).abs().max())


@given(
    st.tuples(st.integers(1, 40), st.integers(1, 40)),
    st.tuples(st.integers(1, 40), st.integers(1, 40)),
    st.sampled_from([1, 3]),
    st.integers(0, 2**31),
)
def test_both_ways_give_torchvision_s_pixels(
    stored: tuple[int, int], size: tuple[int, int], channels: int, seed: int
) -> None:
    """Of images of any size to any size, up and down, to the bit."""
    x = torch.randint(0, 256, (7, channels, *stored), generator=rng(seed)).to(torch.uint8)
    x[0], x[1] = 255, 0  # no overflow, no rounding away from what is flat
    boxes = drawn(7, stored, seed, ResizedCrop(scale=(0.01, 1.0)))
    expected = theirs(x, boxes, size)
    assert away(scale_each(x, boxes, size), expected) == 0
    assert away(scale_at_once(x, boxes, size), expected) == 0


def test_imagenet_s_sizes() -> None:
    x = torch.randint(0, 256, (6, 3, 256, 256), generator=rng()).to(torch.uint8)
    boxes = drawn(6, (256, 256))
    boxes[:4, 5] = torch.tensor([0, 0, 256, 256])  # the whole image, made smaller
    expected = theirs(x, boxes, (224, 224))
    found = scale_each(x, boxes, (224, 224))
    assert away(found, expected) == away(scale_at_once(x, boxes, (224, 224)), expected) == 0
    # its older function computes in floating point and rounds once
    image, box = x[1], boxes[:4, 1].tolist()
    assert away(found[1], in_floats(image, *box, [224, 224], antialias=True)) == 1


def test_the_whole_image_at_its_own_size_is_left_alone() -> None:
    x = torch.randint(0, 256, (4, 3, 9, 5), generator=rng()).to(torch.uint8)
    whole = torch.tensor([[0, 0, 9, 5, 0]] * 4).T
    for scale in (scale_each, scale_at_once):
        assert away(scale(x, whole, (9, 5)), x) == 0


def test_an_image_s_pixels_do_not_depend_on_the_others() -> None:
    x = torch.randint(0, 256, (8, 3, 20, 20), generator=rng()).to(torch.uint8)
    boxes = drawn(8, (20, 20))
    for scale in (scale_each, scale_at_once):
        alone = [scale(x[i : i + 1], boxes[:, i : i + 1], (16, 16)) for i in range(8)]
        assert away(scale(x, boxes, (16, 16)), torch.cat(alone)) == 0


@given(
    st.tuples(st.integers(1, 60), st.integers(1, 60)),
    st.tuples(st.floats(0.01, 1.0), st.floats(0.01, 1.0)),
    st.tuples(st.floats(0.05, 20.0), st.floats(0.05, 20.0)),
)
def test_boxes_lie_within_the_image(
    stored: tuple[int, int], scale: tuple[float, float], ratio: tuple[float, float]
) -> None:
    crop = ResizedCrop(scale=(min(scale), max(scale)), ratio=(min(ratio), max(ratio)))
    top, left, height, width = draw_boxes(50, crop, stored, rng())
    assert int(height.min()) >= 1 and int(width.min()) >= 1
    assert int(top.min()) >= 0 and int(left.min()) >= 0
    assert bool((top + height <= stored[0]).all() and (left + width <= stored[1]).all())


def test_area_and_ratio_are_as_asked_for() -> None:
    """Where every box fits, up to rounding to pixels: area uniform, ratio uniform in its
    logarithm, place uniform."""
    crop = ResizedCrop(scale=(0.1, 0.4), ratio=(0.5, 2.0))
    boxes = draw_boxes(20_000, crop, (1000, 1000), rng()).double()
    top, left, height, width = boxes
    uniform = {
        "area": (height * width / 1e6 - 0.1) / 0.3,
        "ratio": ((width / height).log() / math.log(2) + 1) / 2,
        "top": top / (1000 - height),
        "left": left / (1000 - width),
    }
    for name, values in uniform.items():
        even = torch.linspace(0, 1, 20_000, dtype=torch.float64)
        assert distance(values, even) < 0.015, (
            name
        )  # 1% of samples of this size are further away than 0.0115


def test_the_distribution_is_torchvision_s() -> None:
    """At the defaults, where boxes are drawn again that do not fit; in wide images too."""
    for stored in ((256, 256), (60, 100), (20, 100)):
        image, crop = torch.empty(3, *stored), ResizedCrop()
        torch.manual_seed(0)
        found = [
            RandomResizedCrop.get_params(image, [0.08, 1.0], [3 / 4, 4 / 3]) for _ in range(2000)
        ]
        expected = torch.tensor(found).T.double()
        boxes = draw_boxes(20_000, crop, stored, rng()).double()
        for ours, other in zip(boxes, expected, strict=True):
            # 1.63 · √((2,000 + 20,000) / (2,000 · 20,000)) = 0.038 at 1%
            assert distance(ours, other) < 0.045


def test_where_no_box_fits_the_largest_in_the_middle_is_taken() -> None:
    for stored, expected in (((90, 10), (38, 0, 13, 10)), ((10, 90), (0, 38, 10, 13))):
        found = draw_boxes(5, ResizedCrop(scale=(1.0, 1.0)), stored, rng())
        assert found.T.tolist() == [list(expected)] * 5
        box = RandomResizedCrop.get_params(torch.empty(1, *stored), [1.0, 1.0], [3 / 4, 4 / 3])
        assert box == expected


def test_draws_are_a_function_of_the_generator() -> None:
    crops = ResizedCrops(ResizedCrop(), stored=(3, 30, 30), shape=(3, 24, 24))
    assert torch.equal(crops.draw(50, rng(4)), crops.draw(50, rng(4)))
    assert len(set(map(tuple, crops.draw(50, rng(4)).T.tolist()))) > 40
    assert not torch.equal(crops.draw(50, rng(4)), crops.draw(50, rng(5)))


def distance(a: Tensor, b: Tensor) -> float:
    """Kolmogorov and Smirnov's: the largest difference of two samples' cumulative shares."""
    places = torch.cat((a, b))
    below = [torch.searchsorted(x.sort().values, places, right=True) / len(x) for x in (a, b)]
    return float((below[0] - below[1]).abs().max())


def test_the_distance_of_samples() -> None:
    one = torch.arange(10.0)
    assert distance(one, one) == pytest.approx(0)
    assert distance(one, one + 5) == pytest.approx(0.5)
