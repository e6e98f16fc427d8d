from __future__ import annotations

import hashlib
import html
from pathlib import Path

import pytest

from lth_bench.errors import UserError
from lth_bench.output.site import find_query_files
from lth_bench.output.site.query import KNOWN
from lth_bench.output.site.write import Database, SiteOptions, write_site


@pytest.fixture
def copy(tmp_path: Path) -> Path:
    """A folder whose files have the names, and checksums of their own."""
    folder = tmp_path / "wasm"
    folder.mkdir()
    lines = []
    for name in KNOWN:
        (folder / name).write_text(f"// {name}")
        lines.append(f"{hashlib.sha256(f'// {name}'.encode()).hexdigest()}  {name}\n")
    (folder / "SHA256SUMS").write_text("".join(lines))
    return folder


def test_checksums_that_are_given_decide(copy: Path) -> None:
    assert set(find_query_files(copy).files) == set(KNOWN)
    (copy / "duckdb-eh.wasm").write_text("changed")
    with pytest.raises(UserError, match=r"duckdb-eh\.wasm has the SHA-256 .* is expected"):
        find_query_files(copy)


def test_without_them_the_version_must_be_known(copy: Path) -> None:
    (copy / "SHA256SUMS").unlink()
    with pytest.raises(UserError, match=r"expected by version 1\.32\.0"):
        find_query_files(copy)


def test_what_is_missing_is_named(copy: Path, tmp_path: Path) -> None:
    (copy / "Arrow.es2015.min.js").unlink()
    with pytest.raises(UserError, match=r"lacks Arrow\.es2015\.min\.js"):
        find_query_files(copy)
    with pytest.raises(UserError, match="is not a folder"):
        find_query_files(tmp_path / "none")


def test_a_file_without_a_checksum_is_refused(copy: Path) -> None:
    sums = copy / "SHA256SUMS"
    sums.write_text("".join(sums.read_text().splitlines(keepends=True)[1:]))
    with pytest.raises(UserError, match="has no line for"):
        find_query_files(copy)


def test_files_are_found_where_npm_leaves_them(copy: Path) -> None:
    for name in KNOWN:
        place = "apache-arrow" if name.startswith("Arrow") else "@duckdb/duckdb-wasm/dist"
        folder = copy / "node_modules" / place
        folder.mkdir(parents=True, exist_ok=True)
        (copy / name).rename(folder / name)
    assert set(find_query_files(copy).files) == set(KNOWN)


def test_the_page_has_its_files_and_asks_no_one_else(
    databases: list[Database], copy: Path, tmp_path: Path
) -> None:
    folder = tmp_path / "site"
    folder.mkdir()
    write_site(databases[1:], folder, SiteOptions(query=find_query_files(copy)))
    page = html.unescape((folder / "query.html").read_text())
    assert "connect-src 'self'" in page and "http" not in page.split("<main", 1)[1]
    assert {file.name for file in (folder / "duckdb").iterdir()} == set(KNOWN)
    assert "data/two.duckdb" in page
    assert 'href="query.html"' in (folder / "index.html").read_text()


def test_without_a_copy_there_is_no_page(site: Path) -> None:
    assert not (site / "query.html").exists() and not (site / "duckdb").exists()
    assert "query.html" not in (site / "index.html").read_text()
