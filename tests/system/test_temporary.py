"""Temporary folders go with the block, with the process, and at any signal."""

from __future__ import annotations

import os
import tempfile
from pathlib import Path
from typing import Any

import pytest

from lth_bench.errors import UserError
from lth_bench.system.temporary import remove_held, temporary_folder


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    return tmp_path


def test_a_folder_is_its_owners_alone_and_goes_with_the_block(place: Path) -> None:
    with temporary_folder("lth-bench-x-") as folder:
        (folder / "inner").mkdir()
        (folder / "inner" / "file").touch()
        assert folder.parent == place and folder.name.startswith("lth-bench-x-")
        assert folder.stat().st_mode & 0o077 == 0 or os.name == "nt"
    assert list(place.iterdir()) == []


def test_a_folder_goes_with_an_interrupted_block(place: Path) -> None:
    with pytest.raises(KeyboardInterrupt), temporary_folder("lth-bench-x-"):
        raise KeyboardInterrupt
    assert list(place.iterdir()) == []


def test_folders_that_are_in_use_are_removed_where_the_process_ends_at_once(place: Path) -> None:
    with temporary_folder("lth-bench-x-"), temporary_folder("lth-bench-y-"):
        assert len(list(place.iterdir())) == 2
        remove_held()
        assert list(place.iterdir()) == []


@pytest.mark.skipif(not hasattr(os, "fork"), reason="this system has no fork")
def test_a_fork_leaves_the_folders_of_its_parent(place: Path) -> None:
    with temporary_folder("lth-bench-x-") as folder:
        child = os.fork()
        if child == 0:
            remove_held()
            os._exit(0)
        os.waitpid(child, 0)
        assert folder.is_dir()


def test_no_place_for_a_folder_is_one_message(place: Path, monkeypatch: Any) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(place / "gone"))
    with pytest.raises(UserError, match="TMPDIR"), temporary_folder("lth-bench-x-"):
        pass
