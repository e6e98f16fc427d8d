"""Streamed data is resident data, image by image and bit by bit."""

from __future__ import annotations

import gc
import weakref
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

from lth_bench.data import reading
from lth_bench.data.image_folder import ImageFolder
from lth_bench.errors import UserError
from lth_bench.training.input.ablated import ablated_data
from lth_bench.training.input.resident import ResidentData, ResidentSplit
from lth_bench.training.input.streaming import HostArrays, StreamedData, StreamedSplit
from lth_bench.training.recipe import Recipe

CPU = torch.device("cpu")
VAL = 12
RECIPE = Recipe(steps=30, batch_size=7, val_size=VAL, crop=2, flip=True)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """3 classes of 20 training and 5 test photographs of different sizes."""
    root = tmp_path_factory.mktemp("data")
    rng = np.random.default_rng(0)
    for part, n in (("train", 20), ("test", 5)):
        for name in "abc":
            (root / "photos" / part / name).mkdir(parents=True)
            for i in range(n):
                pixels = rng.integers(0, 256, (*rng.integers(9, 30, 2), 3), dtype=np.uint8)
                Image.fromarray(pixels).save(root / "photos" / part / name / f"{i}.jpg")
    return root


@pytest.fixture(scope="module")
def dataset() -> ImageFolder:
    return ImageFolder(name="photos", size=8)


@pytest.fixture
def resident(folder: Path, dataset: ImageFolder) -> ResidentData:
    return ResidentData(dataset.load(folder), VAL, CPU)


@pytest.fixture(params=["disk", "memory"])
def source(request: pytest.FixtureRequest, folder: Path, dataset: ImageFolder) -> Any:
    return dataset.open(folder) if request.param == "disk" else HostArrays(dataset.load(folder))


def alike(one: tuple[torch.Tensor, ...], other: tuple[torch.Tensor, ...]) -> bool:
    return all(torch.equal(a, b) for a, b in zip(one, other, strict=True))


@pytest.mark.parametrize("threads", [1, 3])
@pytest.mark.parametrize("change", [{}, {"crop": 0, "flip": False}], ids=["augmented", "plain"])
def test_batches_have_the_same_bits(
    source: Any, resident: ResidentData, threads: int, change: dict[str, Any]
) -> None:
    recipe = Recipe(**{**RECIPE.__dict__, **change})
    data = StreamedData(source=source, val_size=VAL, device=CPU, threads=threads)
    assert data.input_shape == resident.input_shape == (3, 8, 8)
    assert (data.classes, len(data.train), len(data.val)) == (3, 48, VAL)
    for step in range(3 * recipe.steps_per_epoch(48) + 2):
        assert alike(data.batch(step, 5, recipe), resident.batch(step, 5, recipe))
    data.close()


@pytest.mark.parametrize("view", ["random_labels", "half_data"])
def test_what_an_ablation_shows_has_the_same_bits(
    source: Any, resident: ResidentData, view: Any
) -> None:
    data = StreamedData(source=source, val_size=VAL, device=CPU, threads=2)
    other, expected = ablated_data(data, view), ablated_data(resident, view)
    assert len(other.train) == len(expected.train) == (24 if view == "half_data" else 48)
    for step in range(8):
        assert alike(other.batch(step, 5, RECIPE), expected.batch(step, 5, RECIPE))
        # the task itself, read by the same threads in turn, is as it was
        assert alike(data.batch(step, 5, RECIPE), resident.batch(step, 5, RECIPE))
    assert torch.equal(other.val.y, expected.val.y)
    assert torch.equal(other.val.x[3:9], expected.val.x[3:9])
    assert not alike(other.batch(0, 5, RECIPE), data.batch(0, 5, RECIPE))
    data.close()


def test_pixels_that_are_streamed_are_not_shuffled(source: Any) -> None:
    data = StreamedData(source=source, val_size=VAL, device=CPU)
    with pytest.raises(UserError, match="'shuffled_pixels' needs its dataset on the device"):
        ablated_data(data, "shuffled_pixels")
    data.close()


def test_training_jumps_to_and_fro(source: Any, resident: ResidentData) -> None:
    """Another seed, a late start, a step back, an evaluation in between, another batch size."""
    data = StreamedData(source=source, val_size=VAL, device=CPU, threads=2)
    other = Recipe(steps=30, batch_size=11, val_size=VAL, flip=True)
    walk = [(0, 1), (1, 1), (2, 1), (17, 4), (18, 4), (3, 1), (4, 1), (19, 4), (2, 1), (2, 1)]
    for number, (step, seed) in enumerate(walk * 2):
        recipe = other if number % 5 == 4 else RECIPE
        assert alike(data.batch(step, seed, recipe), resident.batch(step, seed, recipe))
        if number % 4 == 1:
            assert torch.equal(data.val.x[3:9], resident.val.x[3:9])


def test_evaluations_see_the_same_splits(
    source: Any, resident: ResidentData, folder: Path, dataset: ImageFolder
) -> None:
    data = StreamedData(source=source, val_size=VAL, device=CPU, threads=2)
    arrays = dataset.load(folder)
    test = ResidentSplit(arrays.test_x, arrays.test_y)
    for streamed, held in (
        (data.val, resident.val),
        (data.test(), test),
        (data.train, resident.train),
    ):
        assert isinstance(streamed, StreamedSplit)
        assert tuple(streamed.x.shape) == tuple(held.x.shape)
        assert torch.equal(streamed.y, held.y)
        for size in (5, len(held), 100, 5):  # the last block is a short one
            for i in range(0, len(held), size):
                assert torch.equal(streamed.x[i : i + size], held.x[i : i + size])
        index = torch.tensor([7, 0, 3, 3])
        assert torch.equal(streamed.x[index], held.x[index])
        assert torch.equal(streamed.x[1:9:3], held.x[1:9:3])
        assert streamed.x[4:4].shape == (0, 3, 8, 8)
        some = streamed.take(index)
        assert (len(some), some.y.tolist()) == (4, held.y[index].tolist())
        assert torch.equal(some.x[0:4], held.x[index])


def test_what_fits_stays_on_the_device(source: Any, resident: ResidentData) -> None:
    size = VAL * 3 * 8 * 8
    kept = StreamedData(source=source, val_size=VAL, device=CPU, keep=size)
    assert isinstance(kept.val, ResidentSplit)
    assert torch.equal(kept.val.x, resident.val.x)
    assert alike(kept.batch(0, 1, RECIPE), resident.batch(0, 1, RECIPE))
    assert isinstance(
        StreamedData(source=source, val_size=VAL, device=CPU, keep=size - 1).val, StreamedSplit
    )
    assert isinstance(kept.test(15 * 3 * 8 * 8), ResidentSplit)
    assert isinstance(kept.test(15 * 3 * 8 * 8 - 1), StreamedSplit)


def test_who_asks_for_the_same_step_shares_what_was_read(
    folder: Path, dataset: ImageFolder, monkeypatch: pytest.MonkeyPatch
) -> None:
    data = StreamedData(source=dataset.open(folder), val_size=VAL, device=CPU)
    data.expect(2)
    begun = []
    begin = reading.ImageReader.begin
    monkeypatch.setattr(
        reading.ImageReader, "begin", lambda self, *a: begun.append(a) or begin(self, *a)
    )
    for step in range(6):
        for seed in (1, 1, 2, 1, 2):
            data.pixels(step, seed, RECIPE)
    depth = data._reader.depth(RECIPE.batch_size)
    assert len(begun) == 2 * (6 + depth)


def test_little_is_in_memory(
    folder: Path, dataset: ImageFolder, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whatever the length of the training: what is read ahead, and a batch."""
    held: list[weakref.ref[torch.Tensor]] = []
    most = 0
    begin = reading.ImageReader.begin

    def counted(self: reading.ImageReader, *arguments: Any) -> reading.PendingImages:
        nonlocal most
        batch = begin(self, *arguments)
        held.append(weakref.ref(batch._pixels))
        most = max(most, sum(len(x) for ref in held if (x := ref()) is not None))
        return batch

    monkeypatch.setattr(reading.ImageReader, "begin", counted)
    data = StreamedData(source=dataset.open(folder), val_size=VAL, device=CPU, threads=1)
    recipe = Recipe(steps=30, batch_size=2, val_size=VAL)
    gc.collect()
    most = 0
    for step in range(150):
        data.batch(step, step // 40, recipe)
        if step % 10 == 0:
            for i in range(0, VAL, 2):
                data.val.x[i : i + 2]
    batches_ahead = data._reader.depth(2)
    assert batches_ahead == 17  # two chunks of 16 images for the one thread, and one
    # training and evaluation each, with the batch that was given last
    assert most <= 2 * 2 * (batches_ahead + 1)
    assert len(held) > 180


@pytest.mark.parametrize("content", [b"", b"<html>", None], ids=["empty", "text", "gone"])
def test_an_image_that_goes_bad_is_named_and_can_be_mended(
    folder: Path, dataset: ImageFolder, resident: ResidentData, content: bytes | None
) -> None:
    data = StreamedData(source=dataset.open(folder), val_size=VAL, device=CPU, keep=10**6)
    images = data.train.x.images
    step = 3
    bad = int(data.train.x.index[resident.order(1, 0)[step * 7]])
    path = folder / "photos" / images.names[bad]  # type: ignore[attr-defined]
    before = path.read_bytes()
    try:
        path.unlink()
        if content is not None:
            path.write_bytes(content)
        for i in range(step):
            data.batch(i, 1, RECIPE)
        with pytest.raises(UserError, match=f"{folder}/photos: 'train/./{path.name}'"):
            data.batch(step, 1, RECIPE)
    finally:
        path.write_bytes(before)
    assert alike(data.batch(step, 1, RECIPE), resident.batch(step, 1, RECIPE))


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a GPU")
def test_a_gpu_is_given_the_same_pixels(source: Any, folder: Path, dataset: ImageFolder) -> None:
    device = torch.device("cuda")
    data = StreamedData(source=source, val_size=VAL, device=device, threads=2)
    resident = ResidentData(dataset.load(folder), VAL, device)
    assert data.host_pixels(0, 1, RECIPE).is_pinned()
    for step in range(20):
        assert alike(data.batch(step, 1, RECIPE), resident.batch(step, 1, RECIPE))
    assert torch.equal(data.val.x[0:5], resident.val.x[0:5])
