"""What most tests fold into, a copy of an empty database, is what lth-bench itself makes."""

from __future__ import annotations

import importlib

from lth_bench.store import fold
from lth_bench.store.database import open_safe

CATALOG = (
    "SELECT table_name, comment FROM duckdb_tables()",
    "SELECT view_name, comment FROM duckdb_views() WHERE NOT internal",
    "SELECT table_name, column_name, data_type, comment FROM duckdb_columns()",
    "SELECT function_name, parameters FROM duckdb_functions() WHERE NOT internal",
    "SELECT key, value FROM meta",
    "FROM t_quantiles",
)


def catalog(paths):
    with open_safe(paths) as con:
        return [sorted(con.execute(sql).fetchall(), key=repr) for sql in CATALOG]


def test_a_copy_is_like_a_database_of_its_own(
    copied_database, write, make_scenario, contents, state, monkeypatch
):
    paths = write(make_scenario())
    own = state(fold(paths)), contents(paths), catalog(paths)
    paths.results.unlink()
    module = importlib.import_module("lth_bench.store.fold")
    begin_with_copy, created = copied_database
    monkeypatch.setattr(module, "open_writable", begin_with_copy)
    monkeypatch.setattr(module, "_create", created)
    monkeypatch.delattr(module.schema, "create")  # it is not made a second time
    assert (state(fold(paths)), contents(paths), catalog(paths)) == own


def test_a_rebuilt_one_too(copied_database, write, make_scenario, contents, monkeypatch):
    paths = write(make_scenario())
    fold(paths)
    own = contents(paths), catalog(paths)
    module = importlib.import_module("lth_bench.store.fold")
    begin_with_copy, created = copied_database
    monkeypatch.setattr(module, "open_writable", begin_with_copy)
    monkeypatch.setattr(module, "_create", created)
    report = module.rebuild(paths)
    assert report.state == "rebuilt"
    assert (contents(paths), catalog(paths)) == own
