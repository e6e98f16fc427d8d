"""Images decoded and cut a second and core, as a training on ImageNet needs them: `make bench
ARGS="-k decoding"`, two minutes.

Prints figures and asserts no times. The files are made here: JPEGs of ImageNet's usual size, with
as much detail as makes them as long as photographs.
"""

from __future__ import annotations

import io
import statistics
import time
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from lth_bench.data.image_files import FileImages
from lth_bench.data.image_folder import ImageFolder
from lth_bench.data.pixels import Decoder
from lth_bench.data.reading import ImageReader
from lth_bench.system.devices import cores, cpu_name
from lth_bench.training.input.streaming import StreamedData
from lth_bench.training.recipe import Recipe, ResizedCrop

SIZE = (375, 500)
"""Height and width; ImageNet's images have 400 × 350 pixels on average, the usual one 375 × 500."""
QUALITY = 90
LENGTH = 110_000
"""Bytes of a file: ImageNet's training archive has 138 GB in 1,281,167 files."""
FILES, REPEATS, CLASSES = 64, 5, 2


def photograph(rng: np.random.Generator) -> bytes:
    """A JPEG with detail at all scales, as natural images have, and as long as they are."""
    detail = np.zeros((*SIZE, 3))
    for octave in range(8):
        side = 2**octave + 1
        coarse = torch.from_numpy(rng.normal(size=(1, 3, side, side)))
        smooth = torch.nn.functional.interpolate(coarse, SIZE, mode="bicubic")[0]
        detail += smooth.permute(1, 2, 0).numpy() * 2.0**-octave
    noise = rng.normal(size=(*SIZE, 3))
    low, high = 0.0, 1.0
    for _ in range(8):  # as much noise as makes the file long enough
        amount = (low + high) / 2
        pixels = np.clip(128 + 48 * (detail + amount * noise), 0, 255).astype(np.uint8)
        file = io.BytesIO()
        Image.fromarray(pixels).save(file, "JPEG", quality=QUALITY)
        low, high = (amount, high) if len(file.getvalue()) < LENGTH else (low, amount)
    return file.getvalue()


@pytest.fixture
def images(tmp_path: Path) -> FileImages:
    rng = np.random.default_rng(0)
    names = tuple(f"{i}.jpg" for i in range(FILES))
    for name in names:
        (tmp_path / name).write_bytes(photograph(rng))
    lengths = [(tmp_path / name).stat().st_size for name in names]
    print(f"\n{cpu_name()}; {FILES} JPEGs of {SIZE[1]}×{SIZE[0]}, {np.mean(lengths):,.0f} bytes")
    return FileImages(tmp_path, names, Decoder(3, 224, 256), (3, 224, 224))


def test_decoding(images: FileImages) -> None:
    index = torch.arange(FILES)
    for threads in dict.fromkeys((1, cores())):
        reader = ImageReader(threads)
        reader.begin(images, index).wait()  # files are in the page cache from here on
        a_core, elapsed = [], []
        for _ in range(REPEATS):
            began, used = time.perf_counter(), time.process_time()
            pixels = reader.begin(images, index).wait()
            elapsed.append(FILES / (time.perf_counter() - began))
            # of this process's CPU time, so that others on the machine do not count
            a_core.append(FILES / (time.process_time() - used))
        reader.close()
        assert pixels.shape == (FILES, 3, 224, 224) and int(pixels.max()) > 0
        found = (statistics.median(a_core), min(a_core), max(a_core), statistics.median(elapsed))
        print(
            f"{threads} threads: {found[0]:,.0f} images a second of CPU time ({found[1]:,.0f} to "
            f"{found[2]:,.0f}, {REPEATS} times), {found[3]:,.0f} a second"
        )
        assert found[0] > 0


def test_crops_beside_decoding(tmp_path: Path) -> None:
    """A batch from files to normalised pixels, with and without crops of random size, in turn."""
    rng = np.random.default_rng(0)
    for i in range(FILES + CLASSES):
        for part in ("train", "test"):
            if part == "train" or i < CLASSES:
                folder = tmp_path / "made" / part / str(i % CLASSES)
                folder.mkdir(parents=True, exist_ok=True)
                (folder / f"{i}.jpg").write_bytes(photograph(rng))
    dataset = ImageFolder(name="made", size=224, resize=256, stored=256)
    source = dataset.open(tmp_path)
    plain = Recipe(steps=REPEATS, batch_size=FILES, val_size=CLASSES)
    recipes = {
        "no augmentation": plain,
        "shifts": replace(plain, crop=28, flip=True),
        "crops of random size": replace(plain, resized_crop=ResizedCrop(), flip=True),
    }
    rates: dict[str, list[float]] = {name: [] for name in recipes}
    cuts: dict[str, list[float]] = {name: [] for name in recipes}  # all but decoding
    for repeat in range(-1, REPEATS):
        for name, recipe in recipes.items():
            data = StreamedData(source=source, val_size=CLASSES, device=torch.device("cpu"))
            used = time.process_time()
            pixels = data.train.x[data.order(repeat, 0)]
            began = time.process_time()
            if (change := data.augmenter(recipe)) is not None:
                pixels = change(pixels, data.augmentation(repeat, 0, recipe))
            x = data.normalise(pixels)
            ended = time.process_time()
            data.close()
            assert x.shape == (FILES, 3, 224, 224)
            if repeat >= 0:  # the first warms up
                rates[name].append(FILES / (ended - used))
                cuts[name].append(FILES / (ended - began))
    for name, found in rates.items():
        cut, middle = (statistics.median(times[name]) for times in (cuts, rates))
        print(
            f"{name}: {middle:,.0f} images a second of CPU time ({min(found):,.0f} to "
            f"{max(found):,.0f}, {REPEATS} times); without decoding {cut:,.0f}"
        )
    ours = rates.pop("crops of random size")
    for name, found in rates.items():
        ratio = statistics.median([a / b for a, b in zip(ours, found, strict=True)])
        print(f"crops of random size: {ratio:.2f} times the rate of {name} (median of pairs)")
        assert ratio > 0
