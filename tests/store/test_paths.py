"""Where results lie, whatever the path is called: found by every reader, or refused at once."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from lth_bench.errors import UserError
from lth_bench.store import Paths, fold, reading
from lth_bench.store.database import open_safe, open_writable
from lth_bench.store.export import export_snapshot, export_tables
from lth_bench.store.journal import encode
from lth_bench.store.merge import merge

Make = Callable[..., Any]
NAMES = [
    "a*b", "a[b]", "a{b}", "a b", "~", "~root", "a#b", "a%20b", "md:x", ":memory:", "file:x",
    "s3:", "postgres:x", "é李😀", "a\nb", "a'b", 'a"b', "a;b", "$HOME", "-x", "a.b.c", ".hidden",
    "x.", "x" * 200,
]  # fmt: skip
"""What a shell, SQL, a glob or DuckDB might take for something else."""


@pytest.mark.parametrize("form", ["{}/results.duckdb", "{}.duckdb", "{}"])
def test_results_are_written_to_the_given_path(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, form: str
) -> None:
    """And nowhere else: ~ was the home folder to DuckDB, though no shell had seen it."""
    home = tmp_path / "home"
    home.mkdir()
    monkeypatch.setenv("HOME", str(home))
    for number, name in enumerate(NAMES):
        folder = tmp_path / str(number)
        folder.mkdir()
        monkeypatch.chdir(folder)
        paths = Paths(Path(form.format(name)))
        with open_writable(paths) as con:
            con.execute("CREATE TABLE t AS SELECT 42 AS answer")
        with open_safe(paths) as con:
            assert con.execute("FROM t").fetchall() == [(42,)]
        assert [f for f in folder.rglob("*") if f.is_file()] == [paths.results.absolute()], name
    assert list(home.iterdir()) == []


def journal_of(scenario: Any) -> bytes:
    """The scenario's journal."""

    return b"".join(encode(record) for record in scenario.records())


@pytest.mark.parametrize("name", ["a*b", "~", "a'b", "md:x"])
def test_exports_and_merges_are_written_to_the_given_path(
    make_scenario: Make, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    monkeypatch.chdir(tmp_path)
    paths = Paths(Path(name))
    paths.journal.write_bytes(journal_of(make_scenario(strategies=("dense",))))
    export_tables(paths.results, Path(f"csv {name}"), format="csv")
    export_snapshot(paths.results, Path(f"snapshot {name}"))
    merge(Paths(Path(f"merged {name}")), [Path(f"snapshot {name}")])
    assert (tmp_path / f"csv {name}" / "leaderboard.csv").exists()
    assert (tmp_path / f"snapshot {name}").exists()
    assert (tmp_path / f"merged {name}").exists()


@pytest.mark.parametrize(
    ("name", "says"),
    [
        ("a?b", r"contains a \?"), ("a\0b", "contains a NUL"),
        pytest.param(
            "a\\b", r"contains a \\",
            marks=pytest.mark.skipif(os.name == "nt", reason="there it parts folders"),
        ),
        (os.fsdecode(b"caf\xe9"), "bytes that are not UTF-8"),
    ],
)  # fmt: skip
@pytest.mark.parametrize("form", ["{}/results.duckdb", "{}.duckdb", "in/{}/x/results.duckdb"])
def test_a_name_that_duckdb_cannot_open_is_refused_with_the_reason(
    tmp_path: Path, name: str, says: str, form: str
) -> None:
    with pytest.raises(UserError, match=rf"^--results .*{says}.*"):
        Paths(tmp_path / form.format(name))
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("there", [True, False])
def test_journal_and_artifacts_lie_beside_the_target_of_a_link(
    make_scenario: Make, tmp_path: Path, there: bool
) -> None:
    """Journal, artifacts and database lie together, behind the link."""
    target = tmp_path / "large disk" / "mine.duckdb"
    target.parent.mkdir()
    link = tmp_path / "results.duckdb"
    link.symlink_to(target)
    if there:
        target.touch()
    paths = Paths(link)
    paths.journal.write_bytes(journal_of(make_scenario(strategies=("dense",))))
    fold(paths)
    assert {p.name for p in tmp_path.iterdir()} == {"large disk", "results.duckdb"}
    assert {p.name for p in target.parent.iterdir()} == {"mine.duckdb", "mine.journal.jsonl"}
    assert Paths(link) == Paths(target)
    with reading(link) as con:
        assert con.execute("SELECT count(*) FROM tickets_flat").fetchone() == (3,)


def test_results_split_over_both_ends_of_a_link_are_an_error(tmp_path: Path) -> None:
    link, target = tmp_path / "results.duckdb", tmp_path / "elsewhere" / "mine.duckdb"
    link.symlink_to(target)
    (tmp_path / "results.journal.jsonl").write_text("")
    with pytest.raises(UserError, match=r"move results\.journal\.jsonl and results\.artifacts to"):
        Paths(link)
    target.parent.mkdir()
    target.with_suffix(".journal.jsonl").write_text("")
    assert Paths(link).results == target


def test_circular_links_and_links_to_folders_are_errors(tmp_path: Path) -> None:
    (tmp_path / "a.duckdb").symlink_to("b.duckdb")
    (tmp_path / "b.duckdb").symlink_to("a.duckdb")
    with pytest.raises(UserError, match=r"a\.duckdb cannot be followed"):
        Paths(tmp_path / "a.duckdb")
    (tmp_path / "c.duckdb").symlink_to(tmp_path)
    with pytest.raises(UserError, match="names a folder"):
        Paths(tmp_path / "c.duckdb")


def test_a_name_too_long_for_the_disk_is_one_error(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="File name too long; name another"):
        Paths(tmp_path / f"{'x' * 300}.duckdb")
