"""An image folder read image by image is the same dataset as in memory."""

from __future__ import annotations

import io
import os
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from lth_bench.data import image_folder
from lth_bench.data.image_files import ImageFiles
from lth_bench.data.image_folder import ImageFolder
from lth_bench.data.splits import count_values
from lth_bench.errors import UserError


def photograph(rng: np.random.Generator, height: int, width: int) -> bytes:
    buffer = io.BytesIO()
    Image.fromarray(rng.integers(0, 256, (height, width, 3), dtype=np.uint8)).save(buffer, "JPEG")
    return buffer.getvalue()


@pytest.fixture
def photographs(tmp_path: Path) -> Path:
    """ImageNet's layout: 3 classes of 9 training and 4 test images, of all sizes."""
    rng = np.random.default_rng(0)
    for part, n in (("train", 9), ("val", 4)):
        for wnid in ("n01440764", "n02102040", "n03000684"):
            folder = tmp_path / "photographs" / part / wnid
            folder.mkdir(parents=True)
            for i in range(n):
                content = photograph(rng, *rng.integers(12, 40, 2).tolist())
                (folder / f"{wnid}_{i}.JPEG").write_bytes(content)
    return tmp_path / "photographs"


def everything(opened: ImageFiles, part: str) -> torch.Tensor:
    images = getattr(opened, part)
    out = torch.empty(images.shape, dtype=torch.uint8)
    images.read(torch.arange(len(out)), out)
    return out


@pytest.mark.parametrize(
    "dataset",
    [
        ImageFolder(name="photographs", size=16),
        ImageFolder(name="photographs", size=16, resize=20, channels=1),
    ],
)
def test_the_same_as_in_memory(photographs: Path, dataset: ImageFolder) -> None:
    opened = dataset.open(photographs.parent)
    arrays = dataset.load(photographs.parent)
    assert opened.info == arrays.info == dataset.info(photographs.parent)
    assert opened.info.train_size, opened.info.test_size == (27, 12)
    assert opened.fingerprint() == arrays.fingerprint()
    assert torch.equal(opened.counts(), count_values(arrays.train_x))
    for part in ("train", "test"):
        assert torch.equal(everything(opened, part), getattr(arrays, f"{part}_x"))
        assert torch.equal(getattr(opened, f"{part}_y"), getattr(arrays, f"{part}_y"))


def test_every_image_is_read_once_and_no_more_until_one_changes(
    photographs: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    summarise, times = image_folder.summarise, []
    monkeypatch.setattr(
        image_folder, "summarise", lambda *a, **k: times.append(1) or summarise(*a, **k)
    )
    dataset = ImageFolder(name="photographs", size=16)
    first = dataset.open(photographs.parent)
    assert f"reading the 39 images of {photographs} once" in capsys.readouterr().err
    assert dataset.open(photographs.parent).summary == first.summary
    assert len(times) == 1
    assert capsys.readouterr().err == ""
    assert (
        ImageFolder(name="photographs", size=12).open(photographs.parent).summary != first.summary
    )
    changed = photographs / "train" / "n02102040" / "n02102040_3.JPEG"
    changed.write_bytes(photograph(np.random.default_rng(9), 30, 30))
    assert dataset.open(photographs.parent).fingerprint() != first.fingerprint()
    assert len(times) == 3


def test_a_fingerprint_that_is_known_needs_no_image(photographs: Path) -> None:
    dataset = ImageFolder(name="photographs", size=16)
    assert dataset.fingerprint(photographs.parent) is None
    opened = dataset.open(photographs.parent).fingerprint()
    assert dataset.fingerprint(photographs.parent) == opened
    next(p for p in photographs.rglob("*.*") if p.is_file()).touch()  # perhaps another image now
    assert dataset.fingerprint(photographs.parent) is None


def test_a_damaged_summary_is_made_again(photographs: Path, own_cache: Path) -> None:
    dataset = ImageFolder(name="photographs", size=16)
    first = dataset.open(photographs.parent).summary
    (kept,) = (own_cache / "arrays").glob("*.summary.json")
    for content in ("", "{}", '{"fingerprint": "x"'):
        kept.write_text(content)
        assert dataset.open(photographs.parent).summary == first
        assert len(kept.read_text()) > 100


def test_where_nothing_can_be_kept_it_says_so(photographs: Path, own_cache: Path) -> None:
    for folder in (photographs.parent, own_cache):
        folder.chmod(0o555)
    try:
        with pytest.warns(
            UserWarning, match="could not be stored in .* every process reads all images again"
        ):
            opened = ImageFolder(name="photographs", size=16).open(photographs.parent)
    finally:
        for folder in (photographs.parent, own_cache):
            folder.chmod(0o755)
    assert (
        opened.fingerprint()
        == ImageFolder(name="photographs", size=16).load(photographs.parent).fingerprint()
    )


def cut_short(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:200])


def replaced_by_text(path: Path) -> None:
    path.write_text("<html>404</html>")


DAMAGES: list[tuple[Callable[[Path], None], str]] = [
    (cut_short, "is truncated or not an image"),
    (replaced_by_text, r"is truncated or not an image \(its content is of no known format\)"),
    (os.remove, r"cannot be read \(No such file or directory\)"),
]


@pytest.mark.parametrize(("damage", "message"), DAMAGES[:2])
def test_a_bad_image_is_named_before_anything_trains(
    photographs: Path, damage: Callable[[Path], None], message: str
) -> None:
    damage(photographs / "val" / "n02102040" / "n02102040_3.JPEG")
    with pytest.raises(UserError, match=f"'val/n02102040/n02102040_3.JPEG' {message}"):
        ImageFolder(name="photographs", size=16).open(photographs.parent)


@pytest.mark.parametrize(("damage", "message"), DAMAGES)
def test_one_that_goes_bad_later_is_named_too(
    photographs: Path, damage: Callable[[Path], None], message: str
) -> None:
    opened = ImageFolder(name="photographs", size=16).open(photographs.parent)
    damage(photographs / "train" / "n01440764" / "n01440764_0.JPEG")
    with pytest.raises(UserError, match=f"'train/n01440764/n01440764_0.JPEG' {message}"):
        everything(opened, "train")


def test_images_of_several_sizes_need_one(photographs: Path) -> None:
    with pytest.raises(UserError, match=r"must all have the same size.*set size to scale them"):
        ImageFolder(name="photographs").open(photographs.parent)


def test_an_archive_cannot_be_read_image_by_image(photographs: Path) -> None:
    import zipfile

    with zipfile.ZipFile(photographs.parent / "packed.zip", "w") as archive:
        for file in photographs.rglob("*.JPEG"):
            archive.write(file, file.relative_to(photographs))
    dataset = ImageFolder(name="packed", size=16)
    assert dataset.load(photographs.parent).info.train_size == 27
    with pytest.raises(UserError, match=r"packed.zip is an archive.*unpack it"):
        dataset.open(photographs.parent)
