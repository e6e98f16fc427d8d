from __future__ import annotations

from pathlib import Path

import pytest
import torch

from lth_bench.data import text
from lth_bench.data.root import DataMissing
from lth_bench.data.text import StdlibText, Text
from lth_bench.errors import UserError


def test_every_place_is_followed_by_the_next_token(tmp_path: Path) -> None:
    content = bytes(range(100))
    (tmp_path / "t.txt").write_bytes(content)
    dataset = Text("t.txt", length=8, test_fraction=0.25)
    arrays = dataset.load(tmp_path)
    dataset.info(tmp_path).require(arrays.info)
    assert (len(arrays.train_x), len(arrays.test_x)) == (9, 3)
    x = torch.cat([arrays.train_x, arrays.test_x]).flatten()
    assert bytes(x.tolist()) == content[:96]
    y = torch.cat([arrays.train_y, arrays.test_y]).flatten()
    assert bytes(y.tolist()) == content[1:97]
    assert arrays.vocabulary == 256 and arrays.info.bytes_per_token == 1


def test_characters_and_their_bytes(tmp_path: Path) -> None:
    (tmp_path / "t.txt").write_text("äbäc" * 10, encoding="utf-8")
    arrays = Text("t.txt", length=4, unit="characters").load(tmp_path)
    assert arrays.vocabulary == 3
    assert arrays.info.bytes_per_token == pytest.approx(1.5)
    assert "".join("bcä"[i] for i in arrays.train_x[0].tolist()) == "äbäc"


def test_pythons_own_sources_are_always_there(tmp_path: Path) -> None:
    dataset = StdlibText(length=32, size=5000)
    arrays = dataset.load(tmp_path)
    assert len(arrays.train_x) + len(arrays.test_x) == (5000 - 1) // 32
    assert dataset.load(tmp_path).fingerprint() == arrays.fingerprint()


def test_pythons_own_sources_are_read_once(tmp_path: Path, monkeypatch) -> None:
    """Each module once, for the sizes and the data together, and again when one has changed."""
    modules = {"a.py": b"import b\n" * 90, "b.py": b"import c\n" * 90, "c.py": b"import a\n" * 90}
    for name, content in modules.items():
        (tmp_path / name).write_bytes(content)
    monkeypatch.setattr(text.sysconfig, "get_paths", lambda: {"stdlib": str(tmp_path)})
    seen: list[str] = []

    def read(path: Path, limit: int) -> bytes:
        seen.append(path.name)
        return path.read_bytes()

    monkeypatch.setattr(text, "read_regular", read)
    dataset = StdlibText(length=8, size=1200)
    info, arrays = dataset.info(tmp_path), dataset.load(tmp_path)
    assert dataset.load(tmp_path) is arrays and dataset.info(tmp_path) == info == arrays.info
    assert seen == ["a.py", "b.py"]  # the third is not needed
    whole = torch.cat([arrays.train_x, arrays.test_x]).flatten()
    assert bytes(whole.tolist()) == (modules["a.py"] + modules["b.py"])[: len(whole)]
    (tmp_path / "b.py").write_bytes(b"import d\n" * 80)
    assert dataset.load(tmp_path).fingerprint() != arrays.fingerprint()
    assert seen == ["a.py", "b.py"] * 2


@pytest.mark.parametrize(
    ("content", "options", "said"),
    [
        (b"too short", {}, r"has 9 bytes, and two sequences of 64 take 129"),
        (b"", {"unit": "characters"}, "is empty"),
        (b"a\xff" * 200, {"unit": "characters"}, "byte 1 is not UTF-8"),
    ],
)
def test_a_text_that_cannot_be_used(tmp_path: Path, content, options, said) -> None:
    (tmp_path / "t.txt").write_bytes(content)
    with pytest.raises(UserError, match=said):
        Text("t.txt", **options).load(tmp_path)


def test_a_text_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(DataMissing, match=r"looked for .*gone\.txt"):
        Text("gone.txt").load(tmp_path)
    with pytest.raises(ValueError, match="text needs a file"):
        Text()
