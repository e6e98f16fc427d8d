from __future__ import annotations

import os
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
import torch

from lth_bench.data.arrays import Arrays, DatasetInfo
from lth_bench.data.cache import ArrayCache, stamp


def arrays(value: int = 7) -> Arrays:
    x = torch.full((4, 1, 2, 2), value, dtype=torch.uint8)
    return Arrays(x, torch.tensor([0, 1, 0, 1]), x[:2], torch.tensor([0, 1]), classes=2)


class Decoder:
    def __init__(self) -> None:
        self.calls = 0

    def __call__(self) -> Arrays:
        self.calls += 1
        return arrays()


def test_decodes_once(tmp_path: Path) -> None:
    decode = Decoder()
    cache = ArrayCache("d", ["f 1 2"], {"size": 3})
    assert cache.info() is None and cache.fingerprint() is None
    first = cache.get(decode)
    again = ArrayCache("d", ["f 1 2"], {"size": 3})
    assert again.get(decode).fingerprint() == first.fingerprint() == arrays().fingerprint()
    assert again.info() == DatasetInfo((1, 2, 2), 2, 4, 2)
    assert again.fingerprint() == first.fingerprint()
    assert decode.calls == 1
    kept = [path.name for path in cache.folder.glob("*.safetensors")]
    assert kept == [cache.file]
    assert not list(cache.folder.glob("*.part"))


def test_other_sources_and_options_are_other_copies(tmp_path: Path) -> None:
    decode = Decoder()
    for dataset, source, options in (
        ("d", "f 1 2", {}), ("e", "f 1 2", {}), ("d", "f 1 3", {}), ("d", "f 1 2", {"size": 3}),
    ):  # fmt: skip
        ArrayCache(dataset, [source], options).get(decode)
    assert decode.calls == 4


@pytest.mark.parametrize("damage", ["truncated", "altered", "empty", "nonsense"])
def test_a_damaged_copy_is_made_again(tmp_path: Path, damage: str) -> None:
    decode = Decoder()
    cache = ArrayCache("d", [], {})
    cache.get(decode)
    path = cache.path
    good = path.read_bytes()
    content = {
        "truncated": good[:-3],
        "altered": good[:-1] + bytes([good[-1] ^ 1]),
        "empty": b"",
        "nonsense": b"\xff" * 100,
    }
    path.write_bytes(content[damage])
    assert cache.get(decode).fingerprint() == arrays().fingerprint()
    assert decode.calls == 2
    assert cache.get(decode).fingerprint() == arrays().fingerprint()
    assert decode.calls == 2


def test_a_copy_that_cannot_be_kept_is_a_warning(own_cache: Path) -> None:
    own_cache.chmod(0o555)
    with pytest.warns(UserWarning, match="could not be stored.*decodes it again"):
        got = ArrayCache("d", [], {}).get(arrays)
    assert got.fingerprint() == arrays().fingerprint()
    own_cache.chmod(0o755)


def test_no_space_is_a_warning(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("lth_bench.data.cache.os.replace", full)
    with pytest.warns(UserWarning, match="No space left on device"):
        (cache := ArrayCache("d", [], {})).get(arrays)
    assert not list(cache.folder.glob("*.part"))


def test_stamp(tmp_path: Path) -> None:
    file, other = tmp_path / "f", tmp_path / "g"
    for place in (file, other):
        place.write_bytes(b"12")
        os.utime(place, (5, 5))
    before = stamp(file)
    assert before == f"{file} 2 5000000000"
    assert stamp(other) != before  # two folders of many may have files of one name, size and time
    file.write_bytes(b"123")
    assert stamp(file) != before


def test_those_who_ask_at_the_same_time_decode_once(tmp_path: Path) -> None:
    calls = []

    def decode() -> Arrays:
        calls.append(1)
        time.sleep(0.2)
        return arrays()

    def ask(_: int) -> str:
        return ArrayCache("d", [], {}).get(decode).fingerprint()

    with ThreadPoolExecutor(4) as pool:
        assert set(pool.map(ask, range(4))) == {arrays().fingerprint()}
    assert len(calls) == 1
