"""The empty database that results are folded into: made once in each of pytest's processes and then
copied, instead of half a second of CPU in every test that folds a journal.

Not where the making itself is tested (`MAKING`), and not where LTH_BENCH_THOROUGH is set, as CI
does: there every test makes its own.
"""

from __future__ import annotations

import contextlib
import hashlib
import importlib
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from thoroughness import THOROUGH

FOLD = "lth_bench.store.fold"
"""The module; `lth_bench.store` calls its function so."""
MAKING = {
    f"test_{name}.py"
    for name in ("damage", "empty_database", "fold", "merge", "paths", "processes", "staging")
}
"""Files of `store/` whose tests make their own databases: what is there first, and when."""


@pytest.fixture(scope="session")
def copied_database(tmp_path_factory: pytest.TempPathFactory) -> Any:
    """`fold.open_writable`, which begins with a copy where there is no database yet, and
    `fold._create`, which has nothing to do in a copy.
    """
    from lth_bench.store import schema
    from lth_bench.store.mark import FileMark, write_mark
    from lth_bench.store.paths import Paths

    fold = importlib.import_module(FOLD)
    open_writable, create = fold.open_writable, fold._create
    nothing = hashlib.sha256(b"").hexdigest()
    mark = FileMark(
        schema_version=schema.SCHEMA_VERSION, offset=0, records=0, head=nothing, tail=nothing
    )
    template = Paths(tmp_path_factory.mktemp("empty") / "results.duckdb")
    with open_writable(template) as con:
        schema.create(con)
        write_mark(con, mark)
    empty = template.results.read_bytes()
    copies: set[int] = set()

    def begin_with_copy(paths: Paths, *how: Any, **options: Any) -> Any:
        copied = not paths.results.exists() and _copy(empty, paths.results)
        con = open_writable(paths, *how, **options)
        (copies.add if copied else copies.discard)(id(con))
        return con

    def created(con: Any, paths: Paths) -> FileMark:
        return mark if id(con) in copies else create(con, paths)

    return begin_with_copy, created


def _copy(empty: bytes, results: Path) -> bool:
    """Whether there is a copy now. That a disk is full or closed is for lth-bench to find out."""
    with contextlib.suppress(OSError):
        results.parent.mkdir(parents=True, exist_ok=True)
        part = results.with_name(f".{results.name}.{os.getpid()}")
        try:
            part.write_bytes(empty)
            os.link(part, results)  # fails where another process was faster
            return True
        finally:
            part.unlink(missing_ok=True)
    return False


@pytest.fixture(autouse=True)
def fold_into_copies(request: pytest.FixtureRequest) -> Iterator[None]:
    """For every test but those of `MAKING`."""
    if THOROUGH or (request.path.parent.name == "store" and request.path.name in MAKING):
        yield
        return
    with pytest.MonkeyPatch.context() as patch:
        begin_with_copy, created = request.getfixturevalue("copied_database")
        fold = importlib.import_module(FOLD)
        patch.setattr(fold, "open_writable", begin_with_copy)
        patch.setattr(fold, "_create", created)
        yield
