"""Results from a stranger: they are shown or refused, and reach no file, no network, no script."""

from __future__ import annotations

import json
import os
import runpy
from collections.abc import Callable
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import duckdb
import pytest
import torch
from close import close_rows
from safetensors.torch import save
from thoroughness import some

from lth_bench.analysis.page import gather_report
from lth_bench.errors import UserError
from lth_bench.maintenance.results import check_results
from lth_bench.maintenance.why import why
from lth_bench.masks import Mask
from lth_bench.output.page import render_page
from lth_bench.store import Journal, Paths, fold, reading, rebuild
from lth_bench.store.database import open_safe, open_writable
from lth_bench.store.journal import finished
from lth_bench.store.query import query
from lth_bench.training.checkpoints.checkpoint import CheckpointStore
from lth_bench.training.keys import digest
from lth_bench.tuning.storage import open_storage

RECORDS = runpy.run_path(str(Path(__file__).parents[1] / "store" / "records.py"))
EVIL = "<script>alert(1)</script><img src=x onerror=alert(1)>\"'&</script></style>"


@pytest.fixture
def paths(tmp_path: Path) -> Paths:
    scenario = RECORDS["Scenario"](strategies=("dense", "imp"), seeds=(0,))
    made: Paths = RECORDS["write"](tmp_path / "results.duckdb", scenario)
    fold(made)
    (tmp_path / "secret.txt").write_text("a secret")
    return made


def more(paths: Paths) -> None:
    """A run that follows, so that everything is folded once more."""
    with Journal(paths) as journal:
        for record in RECORDS["Scenario"](strategies=("imp",), seeds=(1,), run_id="r").records():
            journal.append(record)


READ = "content FROM read_text('SECRET')"
AS_VIEW = "DROP TABLE {0}; CREATE VIEW {0} AS SELECT "
MACROS = [
    f"CREATE MACRO list_prepend(a, b) AS (SELECT [content] {READ.removeprefix('content ')})",
    f"CREATE MACRO arg_max(a, b) AS (SELECT {READ})",
    AS_VIEW.format("outcomes") + f"content AS experiment_id, content AS status, {READ}",
    AS_VIEW.format("meta") + f"'schema_version' AS key, content AS value, {READ}",
    f"CREATE MACRO duckdb_tables() AS TABLE SELECT content AS table_name, {READ}",
]


@pytest.mark.parametrize("trick", some(MACROS, 2))
def test_a_database_s_own_macros_and_views_read_no_file(paths: Paths, trick: str) -> None:
    secret = paths.results.with_name("secret.txt")
    with duckdb.connect(str(paths.results)) as con:
        con.execute(trick.replace("SECRET", str(secret)))
    more(paths)
    try:
        fold(paths)
    except UserError as error:
        said = error.message
    except duckdb.Error as error:  # refused in DuckDB's words
        said = str(error)
    else:
        said = ""
    assert "a secret" not in said
    assert b"a secret" not in paths.results.read_bytes()


def test_the_writing_connection_reaches_nothing_else(paths: Paths, tmp_path: Path) -> None:
    allowed = tmp_path / "allowed"
    allowed.mkdir()
    (allowed / "mine.txt").write_text("mine")
    with open_writable(paths, folder=allowed) as con:
        assert con.execute(f"SELECT content FROM read_text('{allowed / 'mine.txt'}')").fetchall()
        for sql in (
            f"SELECT content FROM read_text('{tmp_path / 'secret.txt'}')",
            f"COPY tickets TO '{tmp_path / 'out.csv'}'",
            f"ATTACH '{tmp_path / 'other.duckdb'}'",
            "FROM read_csv('https://example.org/x.csv')",
            "SET enable_external_access = true",
            "INSTALL httpfs",
            f"SELECT content FROM read_text('{allowed}/../secret.txt')",
        ):
            with pytest.raises(duckdb.Error):
                con.execute(sql).fetchall()
    assert not (tmp_path / "out.csv").exists()


def test_views_that_were_replaced_are_mended_by_a_rebuild(paths: Paths) -> None:
    with duckdb.connect(str(paths.results)) as con:
        before = close_rows(con.execute("FROM leaderboard").fetchall())
        con.execute("CREATE OR REPLACE VIEW leaderboard AS SELECT 1 AS n")
    rebuild(paths)
    with open_safe(paths) as con:
        assert close_rows(con.execute("FROM leaderboard").fetchall()) == before


WRITES = [
    "COPY (SELECT 1) TO 'out.csv'", "COPY tickets FROM 'secret.txt'", "FROM read_csv('secret.txt')",
    "FROM read_json('secret.txt')", "FROM read_blob('secret.txt')", "FROM 'secret.txt'",
    "FROM parquet_scan('x.parquet')", "FROM sniff_csv('secret.txt')", "INSTALL sqlite", "LOAD json",
    "ATTACH ':memory:' AS m", "DETACH results", "USE memory", "EXPORT DATABASE 'x'",
    "IMPORT DATABASE 'x'", "PRAGMA database_list", "SET threads = 1", "CALL pragma_version()",
    "PREPARE a AS SELECT 1", "EXECUTE a", "CREATE TEMP VIEW v AS SELECT 1",
    "CREATE MACRO f() AS 1", "CREATE SECRET (TYPE s3)", "FROM query('FROM ''secret.txt''')",
    "VACUUM", "FORCE CHECKPOINT", "BEGIN", "FROM duckdb_secrets()", "SELECT getvariable('x'); DROP",
    "EXPLAIN ANALYZE COPY tickets TO 'out.csv'", "FROM read_duckdb('x.duckdb')",
]  # fmt: skip


def test_query_reads_and_writes_no_file(paths: Paths, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(paths.results.parent)
    before = {p.name: p.read_bytes() for p in paths.results.parent.iterdir()}
    with reading(paths.results) as con:
        for sql in WRITES:
            try:
                said = str(list(query(con, sql).rows))
            except UserError as error:
                said = error.message
            assert "a secret" not in said, sql
            assert {p.name: p.read_bytes() for p in paths.results.parent.iterdir()} == before, sql


def spoilt(value: Any, key: str = "") -> Any:
    """Every text of a record with markup behind it, but for those that say of what kind it is."""
    if isinstance(value, dict):
        return {k: spoilt(v, k) for k, v in value.items()}
    if isinstance(value, list):
        return [spoilt(v, key) for v in value]
    kinds = ("record", "status", "state", "control", "controls", "role", "kind", "moment", "at",
             "scored_on", "directions", "objectives", "origin", "distributions")  # fmt: skip
    return value + EVIL if isinstance(value, str) and key not in kinds else value


class Scripts(HTMLParser):
    def __init__(self, html: str) -> None:
        super().__init__()
        self.found: list[tuple[str, dict[str, str | None]]] = []
        self.feed(html)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if tag in ("script", "img", "iframe", "object", "embed", "link", "base"):
            self.found.append((tag, dict(attrs)))
        assert not [name for name, _ in attrs if name.startswith("on")]


def test_markup_in_every_field_of_every_record_stays_text(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("plotly.offline.get_plotlyjs", lambda: "/* plotly */")
    scenario = RECORDS["Scenario"](
        strategies=("dense", "imp", "early_bird", "imp-tuned"), tuned={"imp-tuned": "imp"},
        controls=("reinit",), weights=True, outcomes={("early_bird", 1): ("failed", "so")},
    )  # fmt: skip
    paths = Paths(tmp_path / "results.duckdb")
    with Journal(paths) as journal:
        for record in [*scenario.records(), *RECORDS["Search"]().records()]:
            journal.append(spoilt(json.loads(json.dumps(record))))
    with reading(paths.results) as con:
        html = render_page(gather_report(con))
        assert con.execute("SELECT count(*) FROM trials").fetchone() != (0,)
    assert [(tag, a) for tag, a in Scripts(html).found] == [
        ("script", {"type": "application/json", "id": "numbers"}),
        ("script", {"type": "text/plain", "id": "plotly"}), ("script", {}),
    ]  # fmt: skip
    assert "<script>alert" not in html
    assert "<img src=x" not in html
    assert "alert(1)" in html  # it is there, as text


@pytest.mark.parametrize(
    "key", some(["../../../etc/passwd", "a\0b", "/etc/passwd", "x" * 5000, ".."], 2)
)
def test_a_key_from_a_journal_is_no_path(paths: Paths, key: str) -> None:
    scenario = RECORDS["Scenario"](strategies=("imp",), seeds=(7,), run_id="run-9")
    with Journal(paths) as journal:
        for record in scenario.records():
            for use in record.get("trainings", ()):
                use["key"] = key
            journal.append(record)
    identity = scenario.experiments()[0]["experiment_id"]
    with reading(paths.results) as con:
        found = why(con, identity, paths.artifacts, lambda name: None)
    assert not any(t["kept"] for t in found["trainings"])


KEY = "a" * 40


def whole(bench: Any, request: Any) -> Any:
    return bench.cache.get(bench.key(request, None), bench.layers, bench.shapes, frozenset())


def huge(folder: Path) -> None:
    """A header that promises a terabyte."""
    header = json.dumps({"x": {"dtype": "F32", "shape": [2**38], "data_offsets": [0, 2**40]}})
    content = len(header).to_bytes(8, "little") + header.encode()
    (folder / "final.safetensors").write_bytes(content)


def long_header(folder: Path) -> None:
    (folder / "final.safetensors").write_bytes((2**62).to_bytes(8, "little") + b"{}")


def in_its_place(name: str, make: Callable[[Path], object]) -> Callable[[Path], None]:
    def change(folder: Path) -> None:
        (folder / name).unlink()
        make(folder / name)

    return change


def terabyte(path: Path) -> None:
    """Of zeros, of which the disk has none."""
    with path.open("wb") as file:
        file.truncate(1 << 40)


def device(path: Path) -> None:
    path.symlink_to("/dev/zero")


SPECIAL = [device, terabyte, *([os.mkfifo] if hasattr(os, "mkfifo") else [])]


def other_shapes(folder: Path) -> None:
    (folder / "final.safetensors").write_bytes(save({"fc1.weight": torch.zeros(3)}))


def facts(**changes: Any) -> Callable[[Path], None]:
    def change(folder: Path) -> None:
        known = json.loads((folder / "training.json").read_text())
        (folder / "training.json").write_text(json.dumps({**known, **changes}))

    return change


@pytest.mark.parametrize("resigned", [False, True])
@pytest.mark.parametrize(
    "damage",
    [
        huge, long_header, other_shapes,
        *(in_its_place(name, make) for name in ("training.json", "final.safetensors",
          "mask.safetensors") for make in SPECIAL),
        facts(step="x"), facts(curve=[[1]]), facts(cost=[]), facts(digests=None), facts(width=None),
        facts(checkpoints={"a": 1}), facts(best_step=1e400), facts(digests={"final": 3}),
        lambda folder: (folder / "training.json").write_text("[]"),
        lambda folder: (folder / "training.json").write_text("{" * 100_000),
        lambda folder: (folder / "training.json").write_bytes(b"\xff\xfe"),
    ],
)  # fmt: skip
def test_a_training_of_a_stranger_that_is_not_right_counts_as_absent(
    make_bench: Any, damage: Callable[[Path], None], resigned: bool
) -> None:
    import hashlib

    from lth_bench.models.mlp import MLP
    from lth_bench.training.recipe import Recipe
    from lth_bench.training.request import FitRequest

    recipe = Recipe(lr=0.1, steps=2, batch_size=20, val_size=60, eval_every=2)
    bench = make_bench(MLP(hidden=(3,)), recipe)
    mask = Mask.ones(bench.layers)
    request = FitRequest(
        values=bench.initial(0).values, mask=mask, start=0, end=2, seed=0, recipe=recipe
    )
    bench.fit(request)
    folder = bench.cache.folder(bench.key(request, None))
    assert whole(bench, request) is not None
    damage(folder)
    final = folder / "final.safetensors"
    small = (f.is_file() and f.stat().st_size < 1 << 20 for f in folder.glob("*"))
    if resigned and all(small):  # the stranger makes the digest fit
        try:
            known = json.loads((folder / "training.json").read_text())
            content = final.read_bytes()
            known["digests"]["final"] = hashlib.blake2b(content, digest_size=16).hexdigest()
            (folder / "training.json").write_text(json.dumps(known))
        except (ValueError, TypeError, KeyError, RecursionError):
            return
    found = whole(bench, request)
    assert found is None or all(
        tuple(found.values[k].shape) == tuple(v) for k, v in bench.shapes.items()
    )


@pytest.mark.parametrize("make", SPECIAL)
@pytest.mark.parametrize("name", ["partial.json", "5.safetensors"])
def test_a_training_in_mid_way_that_is_no_file_counts_as_absent(
    tmp_path: Path, name: str, make: Callable[[Path], object]
) -> None:
    partials = CheckpointStore(tmp_path)
    folder = partials.folder(KEY)
    folder.mkdir()
    known = {"file": "5.safetensors", "digest": "", "done": 5, "width": 1, "variant": "",
             "checkpoints": [], "searches": []}  # fmt: skip
    (folder / "partial.json").write_text(json.dumps({"facts": known, "digest": digest(known)}))
    assert partials.head(KEY) is not None
    (folder / name).unlink(missing_ok=True)
    make(folder / name)
    assert (partials.head(KEY) is None) == (name == "partial.json")
    assert partials.get(KEY, (), {}, torch.device("cpu")) is None


JOURNAL_PLACES = ["results.duckdb", "results.journal.jsonl", "results.journal.lock",
                  "results.journal.jsonl.torn", "results.tuning.log"]  # fmt: skip


@pytest.mark.parametrize("make", [make for make in SPECIAL if make is not terabyte])
@pytest.mark.parametrize("name", JOURNAL_PLACES)
def test_what_is_no_file_among_the_results_is_named(
    tmp_path: Path, name: str, make: Callable[[Path], object]
) -> None:
    make(tmp_path / name)
    with pytest.raises(UserError, match=f"({name}|/dev/zero) is not a regular file; name other"):
        Paths(tmp_path / "results.duckdb")


@pytest.mark.parametrize("make", [make for make in SPECIAL if make is not terabyte])
def test_a_journal_that_becomes_something_else_is_named(
    paths: Paths, make: Callable[[Path], object]
) -> None:
    """After the look that the paths take at it."""
    paths.journal.unlink()
    make(paths.journal)
    readers: list[Callable[[], object]] = [
        lambda: fold(paths), lambda: list(Journal(paths).read()), lambda: finished(paths),
        lambda: Journal(paths).open(), lambda: reading(paths.results).__enter__(),
    ]  # fmt: skip
    for reader in readers:
        with pytest.raises(UserError, match=r"(FIFO|device), not a regular file|not a regular"):
            reader()


@pytest.mark.slow
def test_a_line_without_end_is_named(paths: Paths, peak: Callable[..., float]) -> None:
    """A terabyte of zeros, of which the disk has none."""
    at = paths.journal.read_bytes().count(b"\n") + 1
    with paths.journal.open("r+b") as file:
        file.truncate(1 << 40)

    def read() -> None:
        for reader in (fold, finished):
            with pytest.raises(UserError, match=rf"line {at} is not a record.* is longer than"):
                reader(paths)
        for opener in (lambda: Journal(paths).open(), lambda: reading(paths.results).__enter__()):
            with pytest.raises(UserError, match=r"ends in a line of more than .*Delete that line"):
                opener()
        assert [f.level for f in check_results(paths) if f.what == "journal"] == ["problem"]

    assert peak(read) < 1200


@pytest.mark.parametrize("kind", ["zeros", "lines"])
def test_a_store_of_studies_without_end_is_named(
    tmp_path: Path, kind: str, peak: Callable[..., float]
) -> None:
    paths = Paths(tmp_path / "results.duckdb")
    terabyte(paths.tuning)
    if kind == "lines":
        with paths.tuning.open("ab") as file:
            file.write(b"\n")

    def read() -> None:
        with pytest.raises(UserError, match=r"tuning\.log (ends in a line of|is damaged).* than"):
            open_storage(None, paths)

    assert peak(read) < 500


def test_a_lock_file_without_end_names_no_process(paths: Paths, peak: Callable[..., float]) -> None:
    with Journal(paths):
        terabyte(paths.lock)

        def read() -> None:
            with pytest.raises(UserError, match=r"another run is writing to \S+; wait"):
                Journal(Paths(paths.results)).open()

        assert peak(read) < 100
