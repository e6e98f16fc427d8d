"""A dataset's file is read once, and again when it has changed."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from lth_bench.data import source_file, tabular
from lth_bench.data.tabular import Tabular
from lth_bench.errors import UserError


@pytest.fixture
def reads(monkeypatch) -> list[Path]:
    """The files that are read, in order."""
    seen: list[Path] = []
    real = tabular._read

    def read(path: Path):
        seen.append(path)
        return real(path)

    monkeypatch.setattr(tabular, "_read", read)
    return seen


def write(file: Path, rows: int) -> None:
    file.write_text("a,y\n" + "".join(f"{i},{i % 2}\n" for i in range(rows)))
    os.utime(file, ns=(rows, rows))  # also where the clock is coarse


def test_it_is_read_once_for_its_sizes_and_its_data(tmp_path, reads) -> None:
    write(tmp_path / "t.csv", 20)
    dataset = Tabular("t.csv", "y")
    info = dataset.info(tmp_path)
    assert dataset.load(tmp_path) is dataset.load(tmp_path)
    info.require(dataset.load(tmp_path).info)
    assert dataset.info(tmp_path) == info and len(reads) == 1
    Tabular("t.csv", "y", test_fraction=0.5).load(tmp_path)  # other parameters, other arrays
    assert len(reads) == 2


def test_a_changed_file_is_read_again(tmp_path, reads) -> None:
    write(tmp_path / "t.csv", 20)
    dataset = Tabular("t.csv", "y")
    info, data = dataset.info(tmp_path), dataset.load(tmp_path)
    write(tmp_path / "t.csv", 30)
    assert dataset.load(tmp_path).fingerprint() != data.fingerprint()
    assert dataset.info(tmp_path) != info and len(reads) == 2


def test_of_a_large_one_only_the_sizes_are_kept(tmp_path, reads, monkeypatch) -> None:
    monkeypatch.setattr(source_file, "KEPT", 10)
    write(tmp_path / "t.csv", 20)
    dataset = Tabular("t.csv", "y")
    dataset.info(tmp_path)
    dataset.info(tmp_path)
    assert len(reads) == 1
    dataset.load(tmp_path)
    assert len(reads) == 2


def test_a_file_that_changes_while_it_is_read_is_refused(tmp_path, monkeypatch) -> None:
    file = tmp_path / "t.csv"
    write(file, 20)
    real = tabular._read

    def read(path: Path):
        found = real(path)
        write(file, 30)
        return found

    monkeypatch.setattr(tabular, "_read", read)
    with pytest.raises(UserError, match=r"t\.csv changed while it was read"):
        Tabular("t.csv", "y").load(tmp_path)
