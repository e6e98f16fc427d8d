"""What a set of results contains, and the state of its files."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

from lth_bench.errors import UserError
from lth_bench.store.paths import Paths
from lth_bench.store.reading import is_current, reading
from lth_bench.store.schema import SCHEMA_VERSION, STORAGE_VERSION

COUNTED = (
    "suites", "environments", "experiments", "tickets", "trainings", "metrics", "curves", "trials",
)  # fmt: skip


def describe(paths: Paths, note: Callable[[str], None] | None = None) -> dict[str, Any]:
    """Files with sizes in bytes, versions, rows by table, experiments by status.

    Brings the database up to date with the journal; `up_to_date` says whether it already was.
    """
    paths.require()
    current = is_current(paths)
    with reading(paths.results, note) as con:
        rows = {}
        for table in COUNTED:
            (rows[table],) = con.execute(f"SELECT count(*) FROM {table}").fetchone() or (0,)
        statuses = con.execute(
            "SELECT status, count(*) FROM experiments WHERE current GROUP BY status ORDER BY status"
        ).fetchall()
        suites = con.execute("SELECT DISTINCT suite FROM plans ORDER BY suite").fetchall()
        meta = dict(con.execute("SELECT key, value FROM meta").fetchall())
    return {
        "database": str(paths.results),
        "journal": str(paths.journal),
        "artifacts": str(paths.artifacts),
        "up_to_date": current,
        "suites": [suite for (suite,) in suites],
        "schema_version": SCHEMA_VERSION,
        "storage_version": STORAGE_VERSION,
        "records": int(meta["records"]),
        "bytes": {
            "database": _size(paths.results),
            "journal": _size(paths.journal),
            "artifacts": _size(paths.artifacts),
        },
        "rows": rows,
        "experiments": dict(statuses),
    }


def sharing(results: Path, suite: str) -> dict[str, int] | None:
    """A suite's `steps_asked` and `steps_run`, as the view `sharing` has them; None where nothing
    was requested, or the database cannot be read.
    """
    try:
        with reading(results) as con:
            sql = "SELECT steps_asked, steps_run FROM sharing WHERE suite = ?"
            found = con.execute(sql, [suite]).fetchone()
    except UserError:  # reading the leaderboard has said why
        return None
    return dict(zip(("steps_asked", "steps_run"), found, strict=True)) if found else None


def _size(path: Path) -> int:
    if path.is_dir():
        return sum(file.stat().st_size for file in path.rglob("*") if file.is_file())
    return path.stat().st_size if path.exists() else 0
