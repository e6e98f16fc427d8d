from __future__ import annotations

from pathlib import Path

import pytest

from lth_bench.data.root import data_root, offline, writable
from lth_bench.errors import UserError


def test_where_data_lies(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, own_cache: Path) -> None:
    monkeypatch.chdir(tmp_path)
    assert data_root() == own_cache / "data"
    (tmp_path / "data").mkdir()
    assert data_root() == Path("data")
    monkeypatch.setenv("LTH_BENCH_DATA", str(tmp_path / "elsewhere"))
    assert data_root() == tmp_path / "elsewhere"


def test_a_file_is_no_root(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "file").touch()
    monkeypatch.setenv("LTH_BENCH_DATA", str(tmp_path / "file"))
    with pytest.raises(UserError, match="LTH_BENCH_DATA must name a folder"):
        data_root()


@pytest.mark.parametrize(("value", "forbidden"), [("", False), ("0", False), ("1", True)])
def test_offline(value: str, forbidden: bool) -> None:
    assert offline({"LTH_BENCH_OFFLINE": value}) is forbidden
    assert not offline({})


def test_writable(tmp_path: Path) -> None:
    assert writable(tmp_path)
    assert writable(tmp_path / "to" / "be" / "made")
    tmp_path.chmod(0o555)
    # root could, but the mode says no
    assert not writable(tmp_path)
    assert not writable(tmp_path / "to" / "be" / "made")
    tmp_path.chmod(0o755)
