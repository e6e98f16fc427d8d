"""A suite's verdicts alone, for a list of suites."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from lth_bench.analysis.claims.finding import ClaimVerdict, findings
from lth_bench.suite.spec import Suite

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection


class ShortVerdict(NamedTuple):
    """What came out of one claim."""

    verdict: ClaimVerdict
    n: int
    """Seeds."""


def verdicts(con: DuckDBPyConnection, suite: Suite) -> dict[str, ShortVerdict]:
    """By the claim's name; empty where there is no result of the suite."""
    if not con.execute("SELECT 1 FROM suites WHERE suite = ?", [suite.name]).fetchall():
        return {}
    return {
        found.claim.name: ShortVerdict(found.kind, found.n)
        for found in findings(con, suite.name, suite.claims)
    }
