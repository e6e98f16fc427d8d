from __future__ import annotations

import hashlib
import io
import pickle
import re
import tarfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torchvision

from lth_bench.data.cifar import CIFAR10, CIFAR100
from lth_bench.data.root import DataMissing
from lth_bench.errors import UserError

Batches = dict[str, dict[str, Any]]


def make(cls: type[CIFAR10] = CIFAR10, n: int = 20) -> Batches:
    rng = np.random.default_rng(0)
    return {
        name: {
            "data": rng.integers(0, 256, (n, 3072), dtype=np.uint8),
            cls.labels: [i % cls.published.classes for i in range(n)],
        }
        for name in (*cls.train, *cls.test)
    }


def write(root: Path, batches: Batches, cls: type[CIFAR10] = CIFAR10, protocol: int = 2) -> Path:
    """The batches in CIFAR's own format: pickles, of protocol 2 in the published files."""
    folder = root / cls.folder
    folder.mkdir(parents=True, exist_ok=True)
    for name, batch in batches.items():
        (folder / name).write_bytes(pickle.dumps(batch, protocol))
    return folder


def pack(root: Path, cls: type[CIFAR10] = CIFAR10) -> Path:
    with tarfile.open(root / cls.archive, "w:gz") as archive:
        archive.add(root / cls.folder, cls.folder)
    for file in (root / cls.folder).iterdir():
        file.unlink()
    return root / cls.archive


@pytest.mark.parametrize("cls", [CIFAR10, CIFAR100])
@pytest.mark.parametrize("protocol", [2, 5])
@pytest.mark.parametrize("packed", [False, True])
def test_reads_its_own_format(
    tmp_path: Path, cls: type[CIFAR10], protocol: int, packed: bool
) -> None:
    batches = make(cls)
    write(tmp_path, batches, cls, protocol)
    if packed:
        pack(tmp_path, cls)
    arrays = cls(checksum=False).load(tmp_path)
    assert arrays.info == cls(checksum=False).info(tmp_path)
    assert arrays.info.train_size == 20 * len(cls.train)
    for x, y, names in (
        (arrays.train_x, arrays.train_y, cls.train), (arrays.test_x, arrays.test_y, cls.test),
    ):  # fmt: skip
        data = np.concatenate([batches[name]["data"] for name in names])
        assert (x.numpy() == data.reshape(-1, 3, 32, 32)).all()
        assert y.tolist() == [label for name in names for label in batches[name][cls.labels]]


def test_reads_what_torchvision_reads(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Under torchvision's own checksums, here those of the files that the test made."""
    folder = write(tmp_path, make())
    (folder / "batches.meta").write_bytes(pickle.dumps({"label_names": list("abcdefghij")}, 2))
    tables = {
        name: [[n, hashlib.md5((folder / n).read_bytes()).hexdigest()] for n in names]
        for name, names in (("train_list", CIFAR10.train), ("test_list", CIFAR10.test))
    }
    theirs = torchvision.datasets.CIFAR10
    for name, table in tables.items():
        monkeypatch.setattr(theirs, name, table)
    meta = hashlib.md5((folder / "batches.meta").read_bytes()).hexdigest()
    monkeypatch.setattr(theirs, "meta", {**theirs.meta, "md5": meta})
    arrays = CIFAR10().load(tmp_path)
    for train, x, y in (
        (True, arrays.train_x, arrays.train_y),
        (False, arrays.test_x, arrays.test_y),
    ):
        other = theirs(tmp_path, train=train)
        assert (x.permute(0, 2, 3, 1).numpy() == other.data).all()
        assert y.tolist() == other.targets


def test_files_must_be_the_published_ones(tmp_path: Path) -> None:
    folder = write(tmp_path, make())
    with pytest.raises(UserError, match="wrong checksum of") as caught:
        CIFAR10().load(tmp_path)
    message = str(caught.value)
    assert str(folder / "data_batch_1") in message
    assert "that of the published file c99cafc152244af753f735de768cd75f" in message
    assert "set checksum = false" in message
    archive = pack(tmp_path)
    with pytest.raises(UserError, match=f"wrong checksum of .*data_batch_1 in {archive}"):
        CIFAR10().load(tmp_path)


@pytest.mark.parametrize(
    ("batch", "message"),
    [
        (
            {"data": np.zeros((20, 3000), np.uint8), "labels": [0] * 20},
            r"wrong shape.*\[20, 3000\]",
        ),
        ({"data": np.zeros((20, 3072)), "labels": [0] * 20}, "wrong shape.*float64"),
        ({"data": np.zeros((20, 3072), np.uint8), "labels": [0] * 19}, r"20 integers.*\[19\]"),
        ({"data": np.zeros((20, 3072), np.uint8)}, "must hold 'data' and 'labels'"),
        ({"data": np.zeros((20, 3072), np.uint8), "labels": [10] * 20}, "from 0 to 10"),
        ([1, 2], "must hold 'data' and 'labels'"),
    ],
)
def test_wrong_content_is_named(tmp_path: Path, batch: Any, message: str) -> None:
    folder = write(tmp_path, {**make(), "data_batch_3": batch})
    with pytest.raises(UserError, match=message) as caught:
        CIFAR10(checksum=False).load(tmp_path)
    assert str(folder / "data_batch_3") in str(caught.value)


def test_truncated_files_are_named(tmp_path: Path) -> None:
    file = write(tmp_path, make()) / "test_batch"
    good = file.read_bytes()
    file.write_bytes(good[:1000])
    with pytest.raises(
        UserError, match=re.escape(f"{file} is truncated or not a pickle of arrays")
    ):
        CIFAR10(checksum=False).load(tmp_path)
    file.write_bytes(good)
    archive = pack(tmp_path)
    archive.write_bytes(archive.read_bytes()[:-30_000])
    with pytest.raises(
        UserError,
        match=re.escape(f"{archive} cannot be read as a folder, zip or tar: it is truncated"),
    ):
        CIFAR10(checksum=False).load(tmp_path)


class Malicious:
    def __init__(self, target: Path) -> None:
        self.target = target

    def __reduce__(self) -> Any:
        return (Path.touch, (self.target,))


def test_nothing_in_a_file_can_run(tmp_path: Path) -> None:
    target = tmp_path / "ran"
    write(tmp_path, {**make(), "data_batch_2": {"data": Malicious(target), "labels": []}})
    with pytest.raises(UserError, match="data_batch_2 is truncated or not a pickle of arrays"):
        CIFAR10(checksum=False).load(tmp_path)
    assert not target.exists()


def test_missing_files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LTH_BENCH_OFFLINE", "1")
    with pytest.raises(DataMissing) as caught:
        CIFAR10().load(tmp_path)
    message = str(caught.value)
    for part in ("cifar10", "LTH_BENCH_OFFLINE", "LTH_BENCH_DATA", "data_batch_1"):
        assert part in message
    assert str(tmp_path / "cifar-10-batches-py") in message
    assert str(tmp_path / "cifar-10-python.tar.gz") in message
    folder = write(tmp_path, make())
    (folder / "data_batch_4").unlink()
    with pytest.raises(DataMissing, match="without data_batch_4,"):
        CIFAR10(checksum=False).info(tmp_path)
    monkeypatch.delenv("LTH_BENCH_OFFLINE")
    with pytest.raises(DataMissing, match="The download failed"):
        CIFAR10().load(tmp_path)


def test_downloads_through_torchvision(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    write(tmp_path / "there", make())
    archive = pack(tmp_path / "there")
    content = archive.read_bytes()

    def fetch(url: str, fpath: str, **_: object) -> None:
        Path(fpath).write_bytes(content)

    theirs = torchvision.datasets.CIFAR10
    monkeypatch.setattr("torchvision.datasets.utils._urlretrieve", fetch)
    monkeypatch.setattr("torchvision.datasets.utils._get_redirect_url", lambda url, **_: url)
    here = tmp_path / "here"
    with pytest.raises(DataMissing, match=r"download failed .*corrupted"):
        CIFAR10(checksum=False).load(here)
    assert list(here.iterdir()) == []
    monkeypatch.setattr(theirs, "tgz_md5", hashlib.md5(content).hexdigest())
    monkeypatch.setattr(theirs, "_check_integrity", lambda self: "here" not in str(self.root))
    monkeypatch.setattr(theirs, "__init__", _download_only)
    assert len(CIFAR10(checksum=False).load(here).train_y) == 100
    assert capsys.readouterr().out == ""
    assert (here / "cifar-10-batches-py" / "test_batch").is_file()


def _download_only(self: Any, root: str, download: bool) -> None:
    self.root = root
    assert download
    self.download()


def test_other_content_is_another_copy(tmp_path: Path) -> None:
    batches = make()
    write(tmp_path, batches)
    first = CIFAR10(checksum=False).load(tmp_path)
    batches["data_batch_1"]["data"][0, 0] += 1
    batches["data_batch_1"]["note"] = "longer"
    write(tmp_path, batches)
    assert CIFAR10(checksum=False).load(tmp_path).fingerprint() != first.fingerprint()


def test_a_pickle_of_objects_is_refused() -> None:
    from lth_bench.data.pickles import read_pickle

    for value in (io.BytesIO(), print, np.random.default_rng(0)):
        with pytest.raises(ValueError, match="asks for"):
            read_pickle(pickle.dumps(value))
    kept = {"a": [1, 2.5, "x", b"y", None, True], "b": np.arange(3), "c": np.float32(2)}
    for protocol in range(2, 6):
        again = read_pickle(pickle.dumps(kept, protocol))
        assert again["a"] == kept["a"]
        assert again["b"].tolist() == [0, 1, 2]
        assert again["c"] == 2
