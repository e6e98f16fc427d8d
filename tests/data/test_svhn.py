from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torchvision
from scipy.io import savemat

from lth_bench.data.root import DataMissing
from lth_bench.data.svhn import FILES, SVHN
from lth_bench.errors import UserError


def write(root: Path, **changes: Any) -> None:
    """A few images in SVHN's own format: positions first, the digit 0 as 10.

    `changes` are to the training file.
    """
    rng = np.random.default_rng(0)
    for name, n in zip(FILES, (30, 20), strict=True):
        content = {
            "X": rng.integers(0, 256, (32, 32, 3, n), dtype=np.uint8),
            "y": (np.arange(n) % 10 + 1)[:, None],
        }
        savemat(root / name, content | (changes if "train" in name else {}), do_compression=True)


def test_reads_what_torchvision_reads(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write(tmp_path)
    table = {
        part: [
            "",
            f"{part}_32x32.mat",
            hashlib.md5((tmp_path / f"{part}_32x32.mat").read_bytes()).hexdigest(),
        ]
        for part in ("train", "test")
    }
    with pytest.raises(UserError, match=r"wrong checksum of .*train_32x32.mat"):
        SVHN().load(tmp_path)
    monkeypatch.setattr(torchvision.datasets.SVHN, "split_list", table)
    arrays = SVHN().load(tmp_path)
    for part, x, y in (
        ("train", arrays.train_x, arrays.train_y), ("test", arrays.test_x, arrays.test_y),
    ):  # fmt: skip
        theirs = torchvision.datasets.SVHN(tmp_path, split=part)
        assert (x.numpy() == theirs.data).all()
        assert (y.numpy() == theirs.labels).all()
    assert arrays.train_y[9] == 0


def test_sizes(tmp_path: Path) -> None:
    assert SVHN().info(tmp_path).train_size == 73_257
    write(tmp_path)
    assert SVHN(checksum=False).info(tmp_path).test_size == 20


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"X": np.zeros((32, 31, 3, 30), np.uint8)}, r"wrong shape.*\[32, 31, 3, 30\]"),
        ({"y": np.zeros((29, 1))}, r"wrong shape.*\[32, 32, 3, 29\]"),
        ({"y": np.full((30, 1), 11)}, r"train_32x32.mat"),
    ],
)
def test_wrong_content_is_named(tmp_path: Path, changes: dict[str, Any], message: str) -> None:
    write(tmp_path, **changes)
    with pytest.raises(UserError, match=message):
        SVHN(checksum=False).load(tmp_path)


def test_damaged_and_missing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write(tmp_path)
    file = tmp_path / FILES[1]
    file.write_bytes(file.read_bytes()[:500])
    with pytest.raises(UserError, match=f"{file} is truncated or not an SVHN file"):
        SVHN(checksum=False).load(tmp_path)
    file.unlink()
    monkeypatch.setenv("LTH_BENCH_OFFLINE", "1")
    with pytest.raises(DataMissing, match=r"without test_32x32.mat\. LTH_BENCH_OFFLINE"):
        SVHN().load(tmp_path)
