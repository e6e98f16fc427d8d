from __future__ import annotations

import json
import os
from pathlib import Path

import pytest

from lth_bench.errors import UserError
from lth_bench.output.site import check_folder, replace_folder
from lth_bench.output.site.folder import MANIFEST


def write(folder: Path, text: str = "new") -> None:
    with replace_folder(folder) as made:
        (made / "pages").mkdir()
        (made / "pages" / "a.html").write_text(text)


def break_off(folder: Path, error: BaseException | type[BaseException]) -> None:
    with replace_folder(folder) as made:
        (made / "a.html").write_text("half")
        raise error


def test_a_new_or_empty_folder_becomes_a_site(tmp_path: Path) -> None:
    for name in ("new", "empty"):
        folder = tmp_path / name
        if name == "empty":
            folder.mkdir()
        write(folder)
        assert (folder / "pages" / "a.html").read_text() == "new"
        assert json.loads((folder / MANIFEST).read_text())["files"] == ["pages/a.html"]
    assert {file.name for file in tmp_path.iterdir()} == {"new", "empty"}


def test_running_again_replaces_all_of_it(tmp_path: Path) -> None:
    folder = tmp_path / "site"
    write(folder)
    with replace_folder(folder) as made:
        (made / "b.html").write_text("newer")
    assert {file.name for file in folder.iterdir()} == {"b.html", MANIFEST}
    assert {file.name for file in tmp_path.iterdir()} == {"site"}


@pytest.mark.parametrize("error", [ValueError, KeyboardInterrupt])
def test_an_error_leaves_what_was_there(tmp_path: Path, error: type[BaseException]) -> None:
    folder = tmp_path / "site"
    write(folder, "old")
    with pytest.raises(error):
        break_off(folder, error)
    assert (folder / "pages" / "a.html").read_text() == "old"
    assert {file.name for file in tmp_path.iterdir()} == {"site"}


def test_an_error_leaves_no_half_site(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="stopped"):
        break_off(tmp_path / "site", UserError("stopped"))
    assert list(tmp_path.iterdir()) == []


def test_another_s_files_are_not_touched(tmp_path: Path) -> None:
    folder = tmp_path / "thesis"
    folder.mkdir()
    (folder / "draft.tex").write_text("mine")
    with pytest.raises(UserError, match=r"files that are not a site's: draft\.tex; name a folder"):
        check_folder(folder)
    site = tmp_path / "site"
    write(site)
    (site / "CNAME").write_text("x")
    (site / "draft.tex").write_text("mine")
    with pytest.raises(UserError, match="CNAME and 1 more"):
        check_folder(site)


def test_a_file_that_comes_while_it_is_written_stays(tmp_path: Path) -> None:
    folder = tmp_path / "site"
    write(folder)
    with pytest.raises(UserError, match=r"draft\.tex"), replace_folder(folder):
        (folder / "draft.tex").write_text("mine")
    assert (folder / "draft.tex").read_text() == "mine"
    assert {file.name for file in tmp_path.iterdir()} == {"site"}


def test_a_manifest_that_is_none_makes_no_site(tmp_path: Path) -> None:
    for text in ("", "[]", '{"files": 3}'):
        (tmp_path / MANIFEST).write_text(text)
        with pytest.raises(UserError, match=MANIFEST):
            check_folder(tmp_path)


def test_places_where_nothing_can_be_written_are_refused(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    (tmp_path / "link").symlink_to(tmp_path)
    with pytest.raises(UserError, match="is a file"):
        check_folder(tmp_path / "file")
    with pytest.raises(UserError, match="is a link"):
        check_folder(tmp_path / "link")
    with pytest.raises(UserError, match="there is no folder"):
        check_folder(tmp_path / "not" / "there")
    shut = tmp_path / "shut"
    shut.mkdir(mode=0o500)
    if not os.access(shut, os.W_OK):  # root may write anywhere
        with pytest.raises(UserError, match="is not writable"):
            check_folder(shut / "site")
