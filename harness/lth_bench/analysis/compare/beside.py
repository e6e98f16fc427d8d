"""A method beside the reference results of its suite, which are not run again.

Values are paired by seed, so what decides them must be the same on both sides: the suite's version,
the task with all of its settings, the data. Where one differs nothing is compared. Versions of
torch and processors may differ, which is said.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from lth_bench.analysis.compare.sides import (
    Loaded,
    Selector,
    TaskKey,
    differing,
    load_side,
)
from lth_bench.analysis.samples import Sample
from lth_bench.errors import UserError, some_of
from lth_bench.store.reading import reading, to_stderr
from lth_bench.store.reference import reference
from lth_bench.store.rows_file import reading_rows_too

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection

NUMERICS = ("torch", "engine", "device")


@dataclass(frozen=True, kw_only=True)
class Beside:
    """A method and the reference results, ready to be compared label by label."""

    reference: Loaded
    """Every label of the reference."""
    own: Loaded
    """The method's samples, once under each of the reference's labels on the same task."""
    notes: tuple[str, ...]
    """What a reader must know of the two: a sentence each."""


def beside_reference(
    label: Selector,
    against: Selector | None,
    *,
    results: Path,
    metric: str = "score",
    suites: Sequence[str] = (),
    strategies: Sequence[str] = (),
) -> Beside:
    """The label of some results and the reference results of its suite.

    `against` is the reference's label to compare with; None: all of them, or those of `strategies`.
    UserError where the label is in several suites, or in one without reference results, and where
    the two sides differ in what decides their values.
    """
    if label.label is None:
        raise UserError(
            f"{label.text} is a whole database; name the label to compare, as in {label.text}:imp"
        )
    if against is not None and (against.path is not None or against.revision is not None):
        raise UserError(f"A must be a label of the reference results, but got {against.text!r}")
    path = label.path or results
    with ExitStack() as stack:
        con = stack.enter_context(reading_rows_too(path, to_stderr))
        suite = _suite(con, label, path, suites)
        own = load_side(con, label, path=path, metric=metric, suites=[suite])
        database, said = stack.enter_context(reference(suite))
        other = stack.enter_context(reading(database))
        side = Selector(text="reference", path=None, label=None) if against is None else against
        found = load_side(other, side, path=Path("reference"), metric=metric, strategies=strategies)
        _require_same(own, found, _facts(con, suite), _facts(other, suite), suite)
        notes = [*_said(said, suite), *_numerics(con, other, suite)]
        notes += _seeds(own.samples, found.samples)
    names = {(s.task, s.source, s.label, s.control) for s in found.samples}
    shared = [
        replace(s, label=name, control=control)
        for task, source, name, control in sorted(names)
        for s in own.samples
        if (s.task, s.source) == (task, source)
    ]
    return Beside(reference=found, own=replace(own, samples=shared), notes=tuple(notes))


def _suite(con: DuckDBPyConnection, label: Selector, path: Path, suites: Sequence[str]) -> str:
    """The one suite that the label was run in."""
    rows = con.execute(
        "SELECT DISTINCT t.suite FROM cells c JOIN tasks t USING (task) WHERE c.label = ? "
        "ORDER BY ALL",
        [label.label],
    ).fetchall()
    there = [str(suite) for (suite,) in rows]
    found = [suite for suite in there if not suites or suite in suites]
    if not there:
        raise UserError(f"{path} has no results of {label.label!r}{_other_names(con, label)}")
    if len(found) != 1:
        raise UserError(
            f"{label.text} was run in the suites {some_of(there)}; choose the one to compare with "
            f"--suite NAME"
        )
    return found[0]


def _other_names(con: DuckDBPyConnection, label: Selector) -> str:
    """What there is instead: the labels, and where a suite was named, that."""
    names = [
        str(n) for (n,) in con.execute("SELECT DISTINCT label FROM cells ORDER BY ALL").fetchall()
    ]
    suites = [str(n) for (n,) in con.execute("SELECT suite FROM suites").fetchall()]
    if not names:
        return ""
    said = f"; name a method: {some_of(names)}"
    return f", which is a suite{said}" if label.label in suites else said


@dataclass(frozen=True, kw_only=True)
class PairedOn:
    """What decides the values of a suite's results, beside the settings of its tasks."""

    version: str
    data: Mapping[TaskKey, frozenset[str]]
    """Task → fingerprints of its data."""


def _facts(con: DuckDBPyConnection, suite: str) -> PairedOn:
    row = con.execute("SELECT suite_version FROM suites WHERE suite = ?", [suite]).fetchone()
    data = con.execute(
        """
        SELECT model, dataset, recipe, list(DISTINCT fingerprint)
        FROM experiments WHERE current AND suite = ? AND fingerprint IS NOT NULL GROUP BY ALL
        """,
        [suite],
    ).fetchall()
    return PairedOn(
        version=str(row[0]) if row is not None else "unknown",
        data={tuple(task): frozenset(prints) for *task, prints in data},
    )


def _require_same(own: Loaded, found: Loaded, mine: PairedOn, theirs: PairedOn, suite: str) -> None:
    """UserError for the first thing that differs: paired differences would not be the methods'."""
    if mine.version != theirs.version:
        raise UserError(
            f"your results are of version {mine.version} of suite {suite!r}, and the reference "
            f"results of version {theirs.version}; run the shipped suite"
        )
    settings = differing(found.settings, own.settings)
    if settings:
        raise UserError(
            f"your tasks are not those of the reference results: {some_of(settings)} (A is the "
            f"reference); run the suite without --set"
        )
    for task in mine.data.keys() & theirs.data.keys():
        if mine.data[task] != theirs.data[task]:
            raise UserError(
                f"your data of {task[1]} is not that of the reference results; see "
                f"`lth-bench why` for its fingerprint"
            )


def _said(said: Mapping[str, Any], suite: str) -> Iterator[str]:
    made = said["environment"]
    yield (
        f"A: the reference results of {suite}, version {said['suite_version']}, made on "
        f"{said['date']} with torch {made.get('torch')} on {made.get('cpu') or made.get('device')}"
        f" (`{said['command']}`)."
    )


def _numerics(con: DuckDBPyConnection, other: DuckDBPyConnection, suite: str) -> Iterator[str]:
    """In what the numerics differ: a paired difference then holds a little of that too."""
    query = "SELECT DISTINCT {} FROM experiments WHERE current AND suite = ? AND torch IS NOT NULL"
    for name in NUMERICS:
        mine, theirs = (
            sorted(str(x) for (x,) in side.execute(query.format(name), [suite]).fetchall())
            for side in (con, other)
        )
        if mine and theirs and mine != theirs:
            yield f"{name} differs: {', '.join(theirs)} there, {', '.join(mine)} here."


def _seeds(own: Sequence[Sample], found: Sequence[Sample]) -> Iterator[str]:
    """Seeds that one side alone has, which no pair can be made of."""
    mine, theirs = ({x for s in side for x in s.values} for side in (own, found))
    for who, only in (("yours", mine - theirs), ("the reference", theirs - mine)):
        if only:
            numbers = some_of([str(seed) for seed in sorted(only)])
            yield f"seeds of {who} alone, which do not count: {numbers}."
