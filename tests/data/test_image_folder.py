from __future__ import annotations

import io
import os
import shutil
import tarfile
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import torchvision
from PIL import Image

from lth_bench.data.arrays import DatasetInfo
from lth_bench.data.image_folder import ImageFolder
from lth_bench.data.root import DataMissing
from lth_bench.errors import UserError
from lth_bench.params import build

CLASSES = ("ant", "bee", "cat")


def png(value: int, height: int = 6, width: int = 6, mode: str = "RGB") -> bytes:
    buffer = io.BytesIO()
    shape = (height, width, 3) if mode == "RGB" else (height, width)
    Image.fromarray(np.full(shape, value, np.uint8), mode).save(buffer, "PNG")
    return buffer.getvalue()


def put(root: Path, name: str, content: bytes) -> None:
    (root / name).parent.mkdir(parents=True, exist_ok=True)
    (root / name).write_bytes(content)


def divided(root: Path) -> Path:
    """train/ of 4 and test/ of 2 images a class; the pixel value tells which one it is."""
    for part, n in (("train", 4), ("test", 2)):
        for c, name in enumerate(CLASSES):
            for i in range(n):
                put(root, f"{part}/{name}/{i}.png", png(100 * (part == "test") + 10 * c + i))
    return root


def zipped(tree: Path) -> Path:
    path = tree.with_name(f"{tree.name}.zip")
    with zipfile.ZipFile(path, "w") as archive:
        for file in sorted(tree.rglob("*"), reverse=True):
            archive.write(file, file.relative_to(tree))
    shutil.rmtree(tree)
    return path


def tarred(ending: str, prefix: str) -> Callable[[Path], Path]:
    def pack(tree: Path) -> Path:
        path = tree.with_name(f"{tree.name}{ending}")
        compression = ending.removeprefix(".tar").removeprefix(".")
        with tarfile.open(path, f"w:{compression}") as archive:  # type: ignore[call-overload]
            for file in sorted(tree.rglob("*"), reverse=True):
                if file.is_file():
                    archive.add(file, f"{prefix}{file.relative_to(tree)}")
        shutil.rmtree(tree)
        return path

    return pack


@pytest.mark.parametrize(
    "pack",
    [
        lambda tree: tree, zipped, tarred(".tar", ""), tarred(".tar.gz", "./"),
        tarred(".tar.xz", "animals/"),
    ],
    ids=["tree", "zip", "tar", "tar.gz", "tar.xz"],
)  # fmt: skip
def test_tree_and_archives_read_alike(tmp_path: Path, pack: Callable[[Path], Path]) -> None:
    pack(divided(tmp_path / "animals"))
    dataset = ImageFolder(name="animals")
    info = dataset.info(tmp_path)
    assert info == DatasetInfo((3, 6, 6), 3, 12, 6)
    arrays = dataset.load(tmp_path)
    assert arrays.info == info == dataset.info(tmp_path)
    assert arrays.train_y.tolist() == [0] * 4 + [1] * 4 + [2] * 4
    assert arrays.train_x[:, 1, 2, 3].tolist() == [0, 1, 2, 3, 10, 11, 12, 13, 20, 21, 22, 23]
    assert arrays.test_x[:, 0, 0, 0].tolist() == [100, 101, 110, 111, 120, 121]
    assert arrays.test_y.tolist() == [0, 0, 1, 1, 2, 2]


def test_reads_what_torchvision_reads(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    for i in range(30):
        part = "train" if i < 20 else "test"
        pixels = Image.fromarray(rng.integers(0, 256, (8, 10, 3), dtype=np.uint8))
        path = tmp_path / "jpeg" / part / CLASSES[i % 3] / f"{i}.jpg"
        path.parent.mkdir(parents=True, exist_ok=True)
        pixels.save(path)
    arrays = ImageFolder(name="jpeg").load(tmp_path)
    theirs = torchvision.datasets.ImageFolder(str(tmp_path / "jpeg" / "train"))
    assert arrays.train_y.tolist() == theirs.targets
    for i, (image, _) in enumerate(theirs):
        assert (arrays.train_x[i].permute(1, 2, 0).numpy() == np.asarray(image)).all()


def test_a_tree_of_classes_is_divided(tmp_path: Path) -> None:
    for c, name in enumerate(CLASSES):
        for i in range(10):
            put(tmp_path / "flat", f"{name}/{i}.png", png(10 * c + i))
    dataset = ImageFolder(name="flat", test_fraction=0.3)
    arrays = dataset.load(tmp_path)
    assert arrays.info == DatasetInfo((3, 6, 6), 3, 21, 9)
    assert torch.bincount(arrays.test_y).tolist() == [3, 3, 3]
    values = torch.cat([arrays.train_x, arrays.test_x])[:, 0, 0, 0]
    assert sorted(values.tolist()) == list(range(30))
    # the same in a copy elsewhere, packed or not
    shutil.copytree(tmp_path / "flat", tmp_path / "b" / "copy")
    copied = ImageFolder(path="b/copy", test_fraction=0.3).load(tmp_path)
    assert copied.fingerprint() == arrays.fingerprint()
    packed = tarred(".tar.gz", "deep/er/")(tmp_path / "flat")
    assert dataset.load(tmp_path).fingerprint() == arrays.fingerprint()
    assert packed.is_file()
    assert ImageFolder(name="flat", test_fraction=0.1).load(tmp_path).info.test_size == 3


def test_options(tmp_path: Path) -> None:
    tree = divided(tmp_path / "animals")
    put(tree, "train/ant/wide.png", png(50, 6, 9))
    with pytest.raises(UserError, match=r"'train/ant/wide.png' has 6×9 .* 6×6; set size"):
        ImageFolder(name="animals").load(tmp_path)
    arrays = ImageFolder(name="animals", size=4, channels=1).load(tmp_path)
    assert arrays.info.input_shape == (1, 4, 4)
    assert arrays.train_x[:5, 0, 0, 0].tolist() == [0, 1, 2, 3, 50]
    assert ImageFolder(name="animals", size=4).info(tmp_path).input_shape == (3, 4, 4)


def test_other_files_are_passed_over(tmp_path: Path) -> None:
    tree = divided(tmp_path / "animals")
    before = ImageFolder(name="animals").load(tmp_path).fingerprint()
    for name in (
        "README.md", "train/ant/list.txt", "train/ant/.hidden.png", "__MACOSX/train/x.png",
        "validation/ant/0.png",
    ):  # fmt: skip
        put(tree, name, png(1) if name.startswith("val") else b"no image")
    assert ImageFolder(name="animals").load(tmp_path).fingerprint() == before


def test_a_changed_tree_is_decoded_anew(tmp_path: Path) -> None:
    tree = divided(tmp_path / "animals")
    before = ImageFolder(name="animals").load(tmp_path)
    put(tree, "train/bee/9.png", png(99))
    after = ImageFolder(name="animals").load(tmp_path)
    assert (before.info.train_size, after.info.train_size) == (12, 13)


@pytest.mark.parametrize(
    ("files", "message"),
    [
        ({}, "contains no images"),
        ({"train/ant/0.png": 1, "train/bee/0.png": 1}, "holds train/ but no test/"),
        ({"ant/0.png": 1, "ant/1.png": 1}, "only one class: 'ant'"),
        ({"ant/0.png": 1, "bee/0.png": 1, "0.png": 1}, "image '0.png' is not in a class folder"),
        (
            {"train/ant/0.png": 1, "train/bee/0.png": 1, "test/cow/0.png": 1},
            "test/ holds a class that train/ does not: cow",
        ),
        (
            {"train/ant/0.png": 1, "train/bee/0.png": 1, "val/cow/0.png": 1},
            "val/ holds a class that train/ does not: cow",
        ),
        ({"train/0.png": 1, "test/0.png": 1}, "is not in a class folder"),
        ({"ant/0.png": 1, "bee/0.png": 1}, "leaves one of the splits empty"),
    ],
)
def test_trees_that_cannot_be_read(tmp_path: Path, files: dict[str, int], message: str) -> None:
    (tmp_path / "t").mkdir()
    for name, value in files.items():
        put(tmp_path / "t", name, png(value))
    for ask in (ImageFolder(name="t").info, ImageFolder(name="t").load):
        with pytest.raises(UserError, match=message):
            ask(tmp_path)


@pytest.mark.parametrize(
    ("layout", "message"),
    [
        ("{}", r"t: the class folder 'cow' contains no images"),
        ("train/{} test/{}", r"t/train: the class folder 'cow' contains no images"),
        ("in/train/{} in/test/{}", r"t/train: the class folder 'cow' contains no images"),
    ],
)
def test_an_empty_class_folder_is_named(tmp_path: Path, layout: str, message: str) -> None:
    for part in layout.split():
        for name in ("ant", "bee"):
            for i in range(4):
                put(tmp_path / "t", f"{part.format(name)}/{i}.png", png(1))
    before = ImageFolder(name="t").load(tmp_path).info
    empty = tmp_path / "t" / layout.split()[0].format("cow")
    (empty / ".cache").mkdir(parents=True)
    for ask in (ImageFolder(name="t").info, ImageFolder(name="t").load, ImageFolder(name="t").open):
        with pytest.raises(UserError, match=message):
            ask(tmp_path)
    put(empty, "0.txt", b"no image either")
    with pytest.raises(UserError, match=message):
        ImageFolder(name="t").info(tmp_path)
    put(empty, "0.png", png(1))
    assert ImageFolder(name="t").info(tmp_path).classes == before.classes + 1


@pytest.mark.parametrize("held_out", ["val", "validation"])
def test_a_test_folder_without_classes_leaves_the_validation_images(
    tmp_path: Path, held_out: str
) -> None:
    tree = divided(tmp_path / "animals")
    tested = ImageFolder(name="animals").load(tmp_path)
    (tree / "test").rename(tree / held_out)
    assert ImageFolder(name="animals").load(tmp_path).fingerprint() == tested.fingerprint()
    put(tree, "test/unlabelled_1.png", png(1))
    assert ImageFolder(name="animals").load(tmp_path).fingerprint() == tested.fingerprint()


def test_a_link_that_leads_nowhere_is_named(tmp_path: Path) -> None:
    tree = divided(tmp_path / "animals")
    (tree / "train" / "ant" / "gone.png").symlink_to(tmp_path / "elsewhere.png")
    with pytest.raises(UserError, match=r"train/ant/gone\.png cannot be read \(No such file"):
        ImageFolder(name="animals").info(tmp_path)


def test_a_damaged_image_is_named(tmp_path: Path) -> None:
    tree = divided(tmp_path / "animals")
    put(tree, "test/cat/1.png", png(1)[:40])
    with pytest.raises(UserError, match=r"'test/cat/1.png' is truncated or not an image"):
        ImageFolder(name="animals").load(tmp_path)


@pytest.mark.parametrize("pack", [zipped, tarred(".tar.xz", ""), tarred(".tar", "")])
def test_a_damaged_archive_is_named(tmp_path: Path, pack: Callable[[Path], Path]) -> None:
    archive = pack(divided(tmp_path / "animals"))
    archive.write_bytes(archive.read_bytes()[:-1500][: 600 if archive.suffix == ".tar" else None])
    with pytest.raises(UserError) as caught:
        ImageFolder(name="animals").load(tmp_path)
    assert str(archive) in str(caught.value)


def test_missing(tmp_path: Path) -> None:
    with pytest.raises(DataMissing) as caught:
        ImageFolder(name="animals").info(tmp_path)
    assert str(tmp_path / "animals") in str(caught.value)
    assert ".tar.xz" in str(caught.value)
    with pytest.raises(DataMissing, match=f"looked for {tmp_path}/else/where.zip"):
        ImageFolder(name="animals", path="else/where.zip").load(tmp_path)


def test_absolute_path(tmp_path: Path) -> None:
    tree = divided(tmp_path / "far" / "animals")
    assert ImageFolder(name="any-name", path=str(tree)).info(tmp_path / "root").train_size == 12


@pytest.mark.parametrize(
    "values",
    [
        {}, {"size": 0}, {"channels": 2}, {"test_fraction": 1.0}, {"resize": 8},
        {"size": 8, "resize": 7},
    ],
)  # fmt: skip
def test_parameters_out_of_range(values: dict[str, Any]) -> None:
    with pytest.raises(UserError):
        build(ImageFolder, values and {"name": "x", **values}, "dataset 'image_folder'")


def test_the_jpeg_copy_of_cifar10(requires_shared_data: Path) -> None:
    if not (requires_shared_data / "cifar10_jpeg.tar.xz").is_file():
        pytest.skip("LTH_BENCH_DATA holds no cifar10_jpeg.tar.xz")
    info = ImageFolder(name="cifar10_jpeg").info(requires_shared_data)
    assert info == DatasetInfo((3, 32, 32), 10, 50_000, 10_000)


def test_nothing_is_written_where_the_data_lies(tmp_path: Path, own_cache: Path) -> None:
    """It is often a folder of many people's."""
    divided(tmp_path / "root" / "animals")
    before = sorted(tmp_path.rglob("*"))
    dataset = ImageFolder(name="animals")
    dataset.load(tmp_path / "root")
    dataset.open(tmp_path / "root")
    assert sorted(tmp_path.rglob("*")) == before
    assert len(list((own_cache / "arrays").glob("*.safetensors"))) == 1


def test_folders_of_the_same_names_sizes_and_times_are_two(tmp_path: Path) -> None:
    """What is unpacked from an archive often has one time of change."""
    for root, value in (("one", 1), ("other", 2)):
        for name in ("train/a/1.png", "train/b/1.png", "test/a/1.png"):
            put(tmp_path / root / "animals", name, png(value))
            os.utime(tmp_path / root / "animals" / name, (5, 5))
    for root, value in (("one", 1), ("other", 2)):
        assert int(ImageFolder(name="animals").load(tmp_path / root).train_x.max()) == value
