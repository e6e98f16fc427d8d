"""What augmentation sees: images that are stored larger than networks see them."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from lth_bench.data.arrays import Arrays, DatasetInfo
from lth_bench.data.image_folder import ImageFolder
from lth_bench.errors import UserError
from lth_bench.params import build
from lth_bench.system.devices import cores
from lth_bench.training.graphs import no_host_reads
from lth_bench.training.input.ablated import ablated_data
from lth_bench.training.input.augmentation import augmentation_of, centre
from lth_bench.training.input.placement import Memory, choose
from lth_bench.training.input.resident import ResidentData
from lth_bench.training.input.resized_crops import scale_each
from lth_bench.training.input.streaming import HostArrays, StreamedData
from lth_bench.training.recipe import Recipe, ResizedCrop

CPU = torch.device("cpu")
VAL = 6
PLAIN = Recipe(steps=30, batch_size=5, val_size=VAL)
SHIFTED = replace(PLAIN, crop=2, flip=True)
RESIZED = replace(PLAIN, resized_crop=ResizedCrop(), flip=True)
LARGE = ImageFolder(name="photos", size=8, resize=12, stored=12)
USUAL = ImageFolder(name="photos", size=8, resize=12)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """3 classes of 8 training and 2 test photographs of different sizes."""
    root = tmp_path_factory.mktemp("data")
    rng = np.random.default_rng(0)
    for part, n in (("train", 8), ("test", 2)):
        for name in "abc":
            (root / "photos" / part / name).mkdir(parents=True)
            for i in range(n):
                pixels = rng.integers(0, 256, (*rng.integers(9, 30, 2), 3), dtype=np.uint8)
                Image.fromarray(pixels).save(root / "photos" / part / name / f"{i}.png")
    return root


@pytest.fixture(scope="module")
def arrays(folder: Path) -> Arrays:
    return LARGE.load(folder)


@pytest.fixture(scope="module")
def data(arrays: Arrays) -> ResidentData:
    return ResidentData(arrays, VAL, CPU)


def test_the_dataset_says_what_networks_see_and_what_is_stored(
    folder: Path, arrays: Arrays
) -> None:
    opened, again = LARGE.open(folder), LARGE.load(folder)
    for info in (LARGE.info(folder), arrays.info, opened.info, again.info):
        assert (info.input_shape, info.stored_shape) == ((3, 8, 8), (3, 12, 12))
    assert arrays.train_x.shape[1:] == (3, 12, 12)
    assert arrays.fingerprint() == opened.fingerprint() == again.fingerprint()
    # networks that pool globally have the same parameters for both sizes
    assert arrays.fingerprint() != replace(arrays, seen=None).fingerprint()
    usual = USUAL.load(folder)
    assert usual.info.stored_shape == usual.info.input_shape == (3, 8, 8)
    assert torch.equal(centre(arrays.test_x, (3, 8, 8)), usual.test_x)


def test_evaluations_and_plain_batches_see_the_middle(data: ResidentData) -> None:
    middle = data.normalise(data.train.x)
    assert middle.shape == (18, 3, 8, 8)
    assert data.normalise(data.val.x).shape == (VAL, 3, 8, 8)
    x, _ = data.batch(1, 0, PLAIN)
    order = data.order(0, 0)[5:10]
    assert torch.equal(x, middle[order])
    # shifts are of the middle too, filled with black
    x, _ = data.batch(1, 0, SHIFTED)
    change, drawn = augmentation_of(SHIFTED, (3, 8, 8), (3, 8, 8)), data.augmentation(0, 0, SHIFTED)
    assert change is not None
    pixels = change(centre(data.train.x, (3, 8, 8))[order], drawn[:, 5:10])
    assert torch.equal(x, data.normalise(pixels))


def test_crops_of_random_size_are_cut_from_all_that_is_stored(data: ResidentData) -> None:
    x, _ = data.batch(1, 0, RESIZED)
    boxes = data.augmentation(0, 0, RESIZED)[:, 5:10]
    stored = data.train.x[data.order(0, 0)[5:10]]
    assert stored.shape == (5, 3, 12, 12)
    assert torch.equal(x, data.normalise(scale_each(stored, boxes, (8, 8))))
    corners = data.augmentation(0, 0, RESIZED)
    assert int((corners[0] + corners[2]).max()) > 10 and int(corners[0].min()) < 2


@pytest.mark.parametrize("recipe", [PLAIN, SHIFTED, RESIZED])
def test_streamed_batches_are_the_same(folder: Path, data: ResidentData, recipe: Recipe) -> None:
    for source in (LARGE.open(folder), HostArrays(LARGE.load(folder))):
        streamed = StreamedData(source=source, val_size=VAL, device=CPU, threads=min(2, cores()))
        for step in (0, 1, 2, 4):
            (x, y), (other_x, other_y) = (
                data.batch(step, 3, recipe),
                streamed.batch(step, 3, recipe),
            )
            assert torch.equal(x, other_x) and torch.equal(y, other_y)
        assert torch.equal(data.normalise(data.val.x), streamed.normalise(streamed.val.x[0:VAL]))
        streamed.close()


def test_shuffled_pixels_are_those_that_are_seen(data: ResidentData) -> None:
    shuffled = ablated_data(data, "shuffled_pixels")
    found, middle = shuffled.val.x[0:VAL], centre(data.val.x, (3, 8, 8))
    assert torch.equal(found.flatten(2).sort(2).values, middle.flatten(2).sort(2).values)
    assert shuffled.batch(0, 0, RESIZED)[0].shape == (5, 3, 8, 8)


def test_memory_is_that_of_stored_images() -> None:
    info = DatasetInfo((3, 8, 8), 3, 1000, 1000, stored_shape=(3, 12, 12))
    size = 2000 * 3 * 12 * 12
    for bytes_, where in ((2 * size + 2, "device"), (2 * size - 2, "memory")):
        found = choose("photos", object(), info, Memory(bytes_, 10 * size, 1), {})
        assert found.where == where


@pytest.mark.parametrize("wrong", [{"stored": 7}, {"stored": 13}, {"size": None, "resize": None}])
def test_what_cannot_be_stored(wrong: dict[str, int | None]) -> None:
    given = {"name": "photos", "size": 8, "resize": 12, "stored": 12, **wrong}
    with pytest.raises(UserError, match="stored must be from size to resize, but got stored = "):
        build(ImageFolder, {k: v for k, v in given.items() if v is not None})


def test_on_a_gpu_the_pixels_are_the_same_and_nothing_waits(pretend_gpu: object) -> None:
    rng = torch.Generator().manual_seed(0)
    x = torch.randint(0, 256, (9, 3, 12, 12), generator=rng).to(torch.uint8)
    change = augmentation_of(RESIZED, (3, 12, 12), (3, 8, 8))
    assert change is not None
    drawn = torch.cat((change.draw(9, rng), torch.arange(9)[None] % 2))
    there = x.to("cuda:0"), drawn.to("cuda:0")
    with no_host_reads():
        found = change(*there)
    assert torch.equal(found.cpu(), change(x, drawn))
