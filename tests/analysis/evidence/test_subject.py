from __future__ import annotations

import duckdb
import pytest

from lth_bench.analysis.evidence.subject import is_spread, spread


@pytest.mark.parametrize(
    ("most", "chosen"),
    [(1, [9]), (2, [0, 9]), (3, [0, 4, 9]), (4, [0, 3, 6, 9]), (9, [0, 1, 2, 3, 4, 5, 6, 7, 9])],
)
def test_spread_is_even(most, chosen) -> None:
    assert spread(range(10), most) == chosen


def test_sql_selects_what_spread_selects() -> None:
    con = duckdb.connect()
    for most in range(1, 9):
        found = con.execute(
            f"""
            SELECT m, list(i ORDER BY i) FROM range(1, 40) n(m), range(39) r(i)
            WHERE i < m AND {is_spread(most)} GROUP BY m
            """
        ).fetchall()
        assert dict(found) == {m: spread(range(m), most) for m in range(1, 40)}
