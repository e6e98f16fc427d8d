"""LABEL@REV: results of an earlier revision of a strategy, which the views no longer show."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from importlib.resources import files
from typing import TYPE_CHECKING, Any

from lth_bench.errors import UserError
from lth_bench.params import show

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection

KINDS = {
    "run_id": "run",
    "source_hash": "source",
    "plugin_version": "version",
    "config_id": "configuration",
    "git": "commit",
}
"""Columns that identify a revision, and the word for each in messages."""


@dataclass(frozen=True)
class Rows:
    """A source of rows: SQL with the columns of the table `flat`, and its parameters."""

    sql: str = "flat"
    given: Sequence[object] = ()


CURRENT = Rows()
"""The rows that the views show: those of current experiments."""


def revision(con: DuckDBPyConnection, label: str, rev: str, suites: Sequence[str]) -> Rows:
    """The rows of `label` that belong to the revision whose identifier starts with `rev`.

    UserError, with a list of the revisions, if no identifier starts with `rev`, if several do, or
    if the revision (such as a version) has several results for one seed and density.
    """
    history = files("lth_bench.analysis.compare").joinpath("revisions.sql").read_text("utf-8")
    within = "WHERE list_contains(?, suite)" if suites else ""
    given = [label, *([list(suites)] if suites else [])]
    columns = ", ".join(KINDS)
    known = con.execute(
        f"SELECT {columns}, min(recorded_at), count(DISTINCT experiment_id) "
        f"FROM {history} {within} GROUP BY {columns} "
        f"ORDER BY min(recorded_at), min(planned_order)",
        given,
    ).fetchall()
    combinations = [dict(zip((*KINDS, "since", "experiments"), row, strict=True)) for row in known]
    column, value = _named(combinations, label, rev)
    sql = f"(SELECT * FROM {history} WHERE {column} = ?)"
    chosen = Rows(sql, [label, value])
    _require_single(
        con,
        chosen,
        within=within,
        suites=given[1:],
        name=f"{label}@{rev}",
        combinations=combinations,
        column=column,
        value=value,
    )
    return chosen


def _named(combinations: list[dict[str, Any]], label: str, rev: str) -> tuple[str, str]:
    """Column and value of the only revision whose identifier starts with `rev`."""
    found: dict[tuple[str, str], list[int]] = {}
    for i, combination in enumerate(combinations):
        for column in KINDS:
            value = combination[column]
            if value and begins(column, value, rev):
                found.setdefault((column, value), []).append(i)
    exact = {key: places for key, places in found.items() if key[1] == rev}
    found = exact or found
    if not found:
        raise UserError(
            f"no revision of {show(label)} starts with {show(rev)}; there are {_list(combinations)}"
        )
    if len({tuple(places) for places in found.values()}) > 1:
        several = ", ".join(f"{KINDS[column]} {value[:16]}" for column, value in found)
        raise UserError(f"{label}@{rev} is ambiguous: {several}; give more characters of one")
    return next(iter(found))


def begins(column: str, value: str, rev: str) -> bool:
    """Whether the value starts with `rev`. A commit is recorded as `git describe` prints it: short,
    and after a tag if there is one; the hash alone and the full hash match too.
    """
    if value.startswith(rev):
        return True
    if column != "git":
        return False
    commit = re.sub(r"^.*-g(?=[0-9a-f]+$)", "", value.removesuffix("-dirty"))
    return commit.startswith(rev) or (len(commit) >= 7 and rev.startswith(commit))


def _require_single(
    con: DuckDBPyConnection,
    rows: Rows,
    *,
    within: str,
    suites: Sequence[object],
    name: str,
    combinations: list[dict[str, Any]],
    column: str,
    value: str,
) -> None:
    """UserError where several experiments of the revision report the same seed and density."""
    double = con.execute(
        f"""
        SELECT 1 FROM {rows.sql} {within}
        GROUP BY suite, model, dataset, recipe, source_model, source_dataset, source_recipe,
            target_density, control, seed
        HAVING count(DISTINCT experiment_id) > 1 LIMIT 1
        """,
        [*rows.given, *suites],
    ).fetchone()
    if double is not None:
        own = [c for c in combinations if c[column] == value]
        raise UserError(
            f"{name} is ambiguous: {KINDS[column]} {value} has several results for one seed and "
            f"density; name one of {_list(own)}"
        )


def _list(combinations: Iterable[dict[str, Any]]) -> str:
    """Every identifier of these revisions, at most six of each kind."""
    words = []
    for column, word in KINDS.items():
        values = list(dict.fromkeys(str(c[column])[:12] for c in combinations if c[column]))
        if values:
            more = ", …" if len(values) > 6 else ""
            plural = "s" if len(values) > 1 else ""
            words.append(f"{word}{plural} {', '.join(values[:6])}{more}")
    return "; ".join(words) or "none"
