from __future__ import annotations

import gzip
import hashlib
import re
import struct
import sys
from pathlib import Path

import numpy as np
import pytest
import torchvision

from lth_bench.data.mnist import FILES, KMNIST, MNIST, FashionMNIST, idx
from lth_bench.data.root import DataMissing
from lth_bench.errors import UserError


def as_idx(array: np.ndarray) -> bytes:
    shape = struct.pack(f">{array.ndim}I", *array.shape)
    return bytes([0, 0, 8, array.ndim]) + shape + array.astype(np.uint8).tobytes()


def write(root: Path, packed: bool = False, source: str = "MNIST") -> dict[str, np.ndarray]:
    """A few images in MNIST's own format."""
    rng = np.random.default_rng(0)
    parts = {}
    folder = root / source / "raw"
    folder.mkdir(parents=True)
    for name in FILES:
        n = 30 if name.startswith("train") else 20
        parts[name] = (
            rng.integers(0, 256, (n, 28, 28)) if "images" in name else np.arange(n) % 10
        ).astype(np.uint8)
        data = as_idx(parts[name])
        if packed:
            (folder / f"{name}.gz").write_bytes(gzip.compress(data))
        else:
            (folder / name).write_bytes(data)
    return parts


@pytest.mark.parametrize("packed", [False, True])
def test_reads_what_torchvision_reads(tmp_path: Path, packed: bool) -> None:
    parts = write(tmp_path, packed)
    arrays = MNIST(checksum=False).load(tmp_path)
    assert arrays.info == MNIST(checksum=False).info(tmp_path)
    assert (arrays.train_x[:, 0].numpy() == parts[FILES[0]]).all()
    assert (arrays.test_y.numpy() == parts[FILES[3]]).all()
    if not packed:
        theirs = torchvision.datasets.MNIST(tmp_path, train=True)
        assert (arrays.train_x[:, 0] == theirs.data).all()
        assert (arrays.train_y == theirs.targets).all()


def test_known_without_files(tmp_path: Path) -> None:
    for dataset in (MNIST(), FashionMNIST(), KMNIST()):
        info = dataset.info(tmp_path)
        assert info.input_shape == (1, 28, 28)
        assert (info.train_size, info.test_size, info.classes) == (60_000, 10_000, 10)


def test_packed_files_have_torchvisions_checksums(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write(tmp_path, packed=True, source="KMNIST")
    folder = tmp_path / "KMNIST" / "raw"
    with pytest.raises(UserError, match=r"wrong checksum of .*train-images-idx3-ubyte.gz: its md5"):
        KMNIST().load(tmp_path)
    ours = [(f"{n}.gz", hashlib.md5((folder / f"{n}.gz").read_bytes()).hexdigest()) for n in FILES]
    monkeypatch.setattr(torchvision.datasets.KMNIST, "resources", ours)
    assert len(KMNIST().load(tmp_path).train_y) == 30


def test_unpacked_files_must_be_the_published_ones(tmp_path: Path) -> None:
    write(tmp_path)
    write(tmp_path, source="FashionMNIST")
    with pytest.raises(UserError, match=r"wrong checksum of .*set checksum = false") as caught:
        MNIST().load(tmp_path)
    assert str(tmp_path / "MNIST" / "raw" / FILES[0]) in str(caught.value)
    # no checksum is published for these: the number of images must do
    with pytest.raises(UserError, match=r"must hold \[60000, 28, 28\], but holds \[30, 28, 28\]"):
        FashionMNIST().load(tmp_path)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (
            lambda data: data[:-5],
            "is truncated: its header promises 30 × 28 × 28 bytes, but 23,515",
        ),
        (lambda data: data + b"1", "is too long"),
        (lambda data: b"", "is not an idx file"),
        (lambda data: b"<html>not here</html>", "is not an idx file"),
        (lambda data: as_idx(np.zeros((30, 27, 28))), r"must hold \[N, 28, 28\].*\[30, 27, 28\]"),
        (lambda data: as_idx(np.zeros((29, 28, 28))), "do not fit together"),
    ],
)
def test_damaged_files_are_named(tmp_path: Path, change: object, message: str) -> None:
    write(tmp_path)
    file = tmp_path / "MNIST" / "raw" / FILES[0]
    file.write_bytes(change(file.read_bytes()))  # type: ignore[operator]
    with pytest.raises(UserError, match=message) as caught:
        MNIST(checksum=False).load(tmp_path)
    assert str(file) in str(caught.value)


def test_damaged_packed_file(tmp_path: Path) -> None:
    write(tmp_path, packed=True)
    file = tmp_path / "MNIST" / "raw" / f"{FILES[2]}.gz"
    file.write_bytes(file.read_bytes()[:-20])
    with pytest.raises(UserError, match=re.escape(f"{file} is truncated or damaged")):
        MNIST(checksum=False).load(tmp_path)


def test_missing_files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write(tmp_path)
    (tmp_path / "MNIST" / "raw" / FILES[1]).unlink()
    with pytest.raises(DataMissing, match=f"without {FILES[1]}. The download failed"):
        MNIST().load(tmp_path)
    # nothing is left behind
    assert {path.name for path in tmp_path.iterdir()} == {"MNIST"}
    monkeypatch.setenv("LTH_BENCH_OFFLINE", "1")
    with pytest.raises(DataMissing, match="LTH_BENCH_OFFLINE forbids") as caught:
        MNIST().load(tmp_path)
    assert str(tmp_path / "MNIST" / "raw") in str(caught.value)
    monkeypatch.delenv("LTH_BENCH_OFFLINE")
    tmp_path.chmod(0o555)
    with pytest.raises(DataMissing, match="is read-only"):
        MNIST().load(tmp_path)
    tmp_path.chmod(0o755)


def test_downloads_through_torchvision(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def mirror(url: str, download_root: str, filename: str, md5: str) -> None:
        name = filename.removesuffix(".gz")
        assert url.endswith(filename)
        (Path(download_root) / name).write_bytes((tmp_path / "there/MNIST/raw" / name).read_bytes())
        print("progress")

    write(tmp_path / "there")
    monkeypatch.setattr("torchvision.datasets.mnist.download_and_extract_archive", mirror)
    here = tmp_path / "here"
    monkeypatch.setattr(sys, "stdout", None)  # standard output is for results
    assert len(MNIST(checksum=False).load(here).train_y) == 30
    assert {path.name for path in here.iterdir()} == {"MNIST"}


def test_idx_of_any_shape() -> None:
    for shape in ((0,), (3,), (2, 3), (2, 1, 4, 5)):
        array = np.arange(np.prod(shape), dtype=np.uint8).reshape(shape)
        assert (idx(as_idx(array)) == array).all()
    # a header whose product would overflow
    with pytest.raises(ValueError, match="truncated"):
        idx(bytes([0, 0, 8, 3]) + b"\xff" * 12)


def test_the_real_mnist(requires_shared_data: Path) -> None:
    arrays = MNIST().load(requires_shared_data)
    assert arrays.info == MNIST().info(requires_shared_data)
    assert arrays.train_y[:10].tolist() == [5, 0, 4, 1, 9, 2, 1, 3, 1, 4]
    assert float(arrays.train_x.double().mean() / 255) == pytest.approx(0.1307, abs=1e-4)
