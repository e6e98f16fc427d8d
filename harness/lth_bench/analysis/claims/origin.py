"""What must be said of the results that claims are held against."""

from __future__ import annotations

import shlex
from typing import TYPE_CHECKING

from lth_bench.suite.spec import Suite

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection


def origin(con: DuckDBPyConnection, suite: Suite) -> list[str]:
    """Notes: no results at all, results of a changed suite, results of another version of it."""
    runs = con.execute(
        """
        SELECT DISTINCT e.suite_version, e.overrides FROM environments e
        WHERE e.run_id IN (SELECT run_id FROM flat WHERE suite = ? AND status = 'ok')
        """,
        [suite.name],
    ).fetchall()
    if not runs:
        there = [x for (x,) in con.execute("SELECT suite FROM suites ORDER BY suite").fetchall()]
        smoke = " (a smoke run says nothing of a claim)" if f"{suite.name}-smoke" in there else ""
        return [f"no results of {suite.name}; there are {', '.join(there) or 'none'}{smoke}"]
    notes = []
    changed = dict.fromkeys(text for _, overrides in runs for text in overrides or ())
    if changed:
        options = " ".join(f"--set {shlex.quote(text)}" for text in sorted(changed))
        notes.append(
            f"results of a changed suite, run with {options}; those of a run without will take "
            f"their place"
        )
    versions = sorted({str(version) for version, _ in runs} - {str(suite.version)})
    if versions:
        notes.append(
            f"results of version {', '.join(versions)} of the suite; it is now at {suite.version}"
        )
    return notes
