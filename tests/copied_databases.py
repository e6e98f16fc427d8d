"""Databases that tests fold journals into: copies, instead of most of a second in every test.

The empty one is made once in each of pytest's processes. What a journal was folded into is kept,
and the next test that folds the same journal gets a copy: `records.py` always writes the same one
for the same scenario. A database that is made again, by `rebuild`, is folded from its journal.

Not where making and folding itself is tested (`MAKING`, `FOLDING`). Every journal is folded once in
each process, into a copy of the empty database; `store/test_copied_databases.py` tests that copies
are what lth-bench itself makes.
"""

from __future__ import annotations

import contextlib
import hashlib
import importlib
import os
import shutil
from collections import OrderedDict
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from thoroughness import THOROUGH

FOLD = "lth_bench.store.fold"
"""The module; `lth_bench.store` calls its function so."""

MAKING = {"test_copied_databases.py", "test_staging.py"}
"""Files of `store/` whose tests make their own."""

FOLDING = {"test_fold.py"}
"""Files whose tests fold their own, into copies of the empty one; not even into those where
LTH_BENCH_THOROUGH is set, as in CI.
"""

KEPT = 32
"""Folded databases, of some megabytes each, that a process keeps."""

LONGEST = 1 << 20
"""Bytes of a journal whose database is kept."""


class Copies:
    """Stand in for `open_writable`, `_create` and `_fold_rest` of the module `fold`."""

    def __init__(self, folder: Path) -> None:
        from lth_bench.store import schema
        from lth_bench.store.mark import FileMark, write_mark
        from lth_bench.store.paths import Paths

        fold = importlib.import_module(FOLD)
        self._open, self._create, self._fold_rest = (
            fold.open_writable,
            fold._create,
            fold._fold_rest,
        )
        nothing = hashlib.sha256(b"").hexdigest()
        self.start = FileMark(
            schema_version=schema.SCHEMA_VERSION, offset=0, records=0, head=nothing, tail=nothing
        )
        self.folder = folder
        empty = Paths(folder / "results.duckdb")
        with self._open(empty) as con:
            schema.create(con)
            write_mark(con, self.start)
        self.empty = empty.results
        self.folded: OrderedDict[str, Path] = OrderedDict()
        """By the journal's digest, the last used at the end."""
        self.copied: dict[int, Path] = {}
        """What the database of a connection, by its id, began as."""
        self.whole = True
        """Whether folded databases are copied too."""

    def open_writable(self, paths: Any, *how: Any, **options: Any) -> Any:
        """The same, beginning with a copy where there is no database yet."""
        source = self.empty
        if not paths.results.exists():
            digest = _digest(paths.journal) if self.whole else None
            if digest in self.folded:
                self.folded.move_to_end(digest)
                source = self.folded[digest]
            copied = _copy(source, paths.results)
        else:
            copied = False
        con = self._open(paths, *how, **options)
        self.copied.pop(id(con), None)
        if copied:
            self.copied[id(con)] = source
        return con

    def create(self, con: Any, paths: Any) -> Any:
        """The same, with nothing to do in a copy."""
        return self.start if id(con) in self.copied else self._create(con, paths)

    def fold_rest(self, con: Any, mark: Any, paths: Any, journal: Path, folder: Path) -> int:
        """The same; of the copy of a folded database all records count as folded now."""
        records: int = self._fold_rest(con, mark, paths, journal, folder)
        source = self.copied.get(id(con))
        if source is None or source != self.empty:
            return records + (0 if source is None else mark.records)
        digest = _digest(journal) if self.whole and journal == paths.journal else None
        if digest is not None:
            con.execute("CHECKPOINT")
            self.folded[digest] = self.folder / f"{digest}.duckdb"
            shutil.copyfile(paths.results, self.folded[digest])
            if len(self.folded) > KEPT:
                _, oldest = self.folded.popitem(last=False)
                oldest.unlink()
        return records


def _digest(journal: Path) -> str | None:
    with contextlib.suppress(OSError):
        if 0 < journal.stat().st_size <= LONGEST and journal.is_file():
            return hashlib.sha256(journal.read_bytes()).hexdigest()
    return None


def _copy(source: Path, results: Path) -> bool:
    """Whether there is a copy now. That a disk is full or closed is for lth-bench to find out."""
    with contextlib.suppress(OSError):
        results.parent.mkdir(parents=True, exist_ok=True)
        part = results.with_name(f".{results.name}.{os.getpid()}")
        try:
            shutil.copyfile(source, part)
            os.link(part, results)  # fails where another process was faster
            return True
        finally:
            part.unlink(missing_ok=True)
    return False


@pytest.fixture(scope="session")
def copies(tmp_path_factory: pytest.TempPathFactory) -> Copies:
    return Copies(tmp_path_factory.mktemp("copies"))


@pytest.fixture(scope="session")
def fold_into(copies: Copies) -> Callable[..., None]:
    """`fold_into(monkeypatch)`: folds begin with copies from now on; of the empty one alone where
    not `whole`.
    """

    def change(patch: pytest.MonkeyPatch, whole: bool = True) -> None:
        fold = importlib.import_module(FOLD)
        patch.setattr(fold, "open_writable", copies.open_writable)
        patch.setattr(fold, "_create", copies.create)
        patch.setattr(fold, "_fold_rest", copies.fold_rest)
        patch.setattr(copies, "whole", whole)

    return change


@pytest.fixture(autouse=True)
def fold_into_copies(request: pytest.FixtureRequest) -> Iterator[None]:
    """For every test but those of `MAKING`; not of folded ones for those of `FOLDING`."""
    name = request.path.name
    making = MAKING | FOLDING if THOROUGH else MAKING
    if request.path.parent.name == "store" and name in making:
        yield
        return
    with pytest.MonkeyPatch.context() as patch:
        request.getfixturevalue("fold_into")(patch, whole=name not in FOLDING)
        yield
