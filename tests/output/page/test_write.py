from __future__ import annotations

from pathlib import Path

import pytest

from lth_bench.errors import UserError
from lth_bench.output.page import check_output, write_page


@pytest.fixture
def con(results, monkeypatch):
    monkeypatch.setattr("plotly.offline.get_plotlyjs", lambda: "/* plotly */")
    return results(strategies=())


def test_the_old_page_is_replaced_and_nothing_else_is_left(con, tmp_path: Path) -> None:
    output = tmp_path / "out" / "page.html"
    output.parent.mkdir()
    output.write_text("old")
    assert write_page(con, output) == output
    assert output.read_text(encoding="utf-8").startswith("<!doctype html>")
    assert [p.name for p in output.parent.iterdir()] == ["page.html"]


def test_a_failed_write_leaves_the_old_page(con, tmp_path: Path, monkeypatch) -> None:
    output = tmp_path / "page.html"
    output.write_text("old")

    def full(self: Path, *_: object, **__: object) -> None:
        self.touch()
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(Path, "write_text", full)
    with pytest.raises(UserError, match=r"cannot write the report to .*No space left on device"):
        write_page(con, output)
    assert output.read_bytes() == b"old"
    assert not list(tmp_path.glob(".page.html*"))


def test_where_it_cannot_be_written(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"names a folder.*name a file in it.*report\.html"):
        check_output(tmp_path)
    with pytest.raises(UserError, match="there is no folder"):
        check_output(tmp_path / "none" / "page.html")
    (tmp_path / "file").write_text("")
    with pytest.raises(UserError, match="there is no folder"):
        check_output(tmp_path / "file" / "page.html")


def test_a_folder_that_refuses(tmp_path: Path, monkeypatch) -> None:
    monkeypatch.setattr("os.access", lambda *_: False)  # root may write everywhere
    with pytest.raises(UserError, match="is not writable"):
        check_output(tmp_path / "page.html")
