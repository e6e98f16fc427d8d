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
    fold_into, write, make_scenario, contents, state, monkeypatch
):
    """Folded for the first time into an empty copy, for the second into one of the first."""
    paths = write(make_scenario(suite="copied"))
    own = state(fold(paths)), contents(paths), catalog(paths)
    fold_into(monkeypatch)
    module = importlib.import_module("lth_bench.store.fold")
    monkeypatch.delattr(module.schema, "create")  # it is not made a second time
    paths.results.unlink()
    assert (state(fold(paths)), contents(paths), catalog(paths)) == own
    paths.results.unlink()
    monkeypatch.delattr(module, "_fold_batch")  # nor folded a third time
    assert (state(fold(paths)), contents(paths), catalog(paths)) == own
    assert state(fold(paths)) == ("current", 0)


def test_what_is_new_is_folded_into_a_copy(
    fold_into, write, make_scenario, contents, state, monkeypatch
):
    first = make_scenario(suite="first", strategies=("dense",))
    fold_into(monkeypatch)
    fold(write(first))
    paths = write(make_scenario(suite="second", strategies=("dense",), run_id="run-2"))
    assert fold(paths).state == "folded"
    both = contents(paths)
    paths.results.unlink()
    assert state(fold(paths)) == ("folded", 16)
    assert contents(paths) == both


def test_a_rebuilt_one_is_folded_again(fold_into, write, make_scenario, contents, monkeypatch):
    paths = write(make_scenario(suite="rebuilt"))
    fold(paths)
    own = contents(paths), catalog(paths)
    fold_into(monkeypatch)
    module = importlib.import_module("lth_bench.store.fold")
    folded = []
    batch = module._fold_batch
    monkeypatch.setattr(module, "_fold_batch", lambda con: folded.append(batch(con)))
    assert module.rebuild(paths).state == "rebuilt"
    assert folded == [None]
    assert (contents(paths), catalog(paths)) == own
