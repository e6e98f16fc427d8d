"""Parse what the user gives as A and B, and read their samples from the databases."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from lth_bench.analysis.compare.revisions import CURRENT, Rows, revision
from lth_bench.analysis.measures import Measure, measured, primary_measures
from lth_bench.analysis.samples import Sample, samples
from lth_bench.errors import UnknownName, UserError, suggest
from lth_bench.params import show
from lth_bench.store.reading import to_stderr
from lth_bench.store.rows_file import reading_rows_too

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection


FORMS = "LABEL, LABEL/CONTROL, LABEL@REV, PATH or PATH:LABEL, with a PATH to a .duckdb or .parquet"

_NAMED = re.compile(
    r"(?P<label>[A-Za-z0-9][A-Za-z0-9_.+-]*)(/(?P<control>[A-Za-z0-9_]+))?(@(?P<revision>[\w.+-]+))?"
)


@dataclass(frozen=True, kw_only=True)
class Selector:
    """One side of a comparison, as the user gave it."""

    text: str
    """What the user typed."""
    path: Path | None
    """Database or file of rows; None: that of --results."""
    label: str | None
    """None: every label that both databases have."""
    control: str = "none"
    """Name of a control; `none` for the ticket itself."""
    revision: str | None = None
    """Start of a run id, source hash, plugin version, configuration id or git commit."""

    @property
    def name(self) -> str:
        """The text, with the file name instead of the path."""
        return self.text if self.path is None else self.text.replace(str(self.path), self.path.name)


def parse(text: str) -> Selector:
    """Parse one of the FORMS; where a text is both a file and a label, it is the file.

    UserError for any other text.
    """
    path, rest = _split(text)
    if path is not None and rest is None:
        return Selector(text=text, path=path, label=None)
    found = _NAMED.fullmatch(rest or "")
    if found is None:
        raise UserError(f"a side is {FORMS}, but got {show(text)}")
    return Selector(
        text=text,
        path=path,
        label=found["label"],
        control=found["control"] or "none",
        revision=found["revision"],
    )


def _split(text: str) -> tuple[Path | None, str | None]:
    """The database and the rest of the text; either may be absent."""
    if _is_database(text):
        return Path(text), None
    head, colon, tail = text.rpartition(":")
    if colon and _is_database(head):
        return Path(head), tail
    return None, text


def _is_database(text: str) -> bool:
    try:
        return text.endswith((".duckdb", ".parquet")) or Path(text).is_file()
    except (OSError, ValueError):  # not a possible file name
        return False


TaskKey = tuple[str, ...]
"""Suite, model, dataset, recipe."""

TrainedWith = dict[str, dict[str, Any]]
"""Recorded configuration of each task: `{task: {"recipe": …, "model": …, "dataset": …}}`."""


@dataclass(frozen=True, kw_only=True)
class Loaded:
    """One side's samples."""

    samples: list[Sample]
    experiments: frozenset[str]
    """Ids of its experiments; if two sides of one database have the same ids, they are the same."""
    settings: TrainedWith
    primary: Mapping[TaskKey, Measure]
    """What each of its tasks is judged by."""
    measure: Measure
    """The metric that was asked for."""


def primary_of(a: Loaded, b: Loaded, pair: tuple[Sample, Sample]) -> Measure:
    """What the task of a pair is judged by. UserError where the two sides do not agree."""
    one, other = (
        side.primary[sample.suite, sample.model, sample.dataset, sample.recipe]
        for side, sample in zip((a, b), pair, strict=True)
    )
    if one.name != other.name:
        raise UserError(
            f"{pair[0].task} is judged by {one.name} in A and by {other.name} in B; name "
            f"what to compare with --metric, such as --metric test_loss"
        )
    return one


def load(
    a: Selector,
    b: Selector,
    *,
    results: Path,
    metric: str = "score",
    suites: Sequence[str] = (),
    strategies: Sequence[str] = (),
) -> tuple[Loaded, Loaded]:
    """Read the samples of both sides; `results` is the database of a side that names none, and the
    metric `score` each task's own.

    UserError if one side is a label and the other a whole database, if both are the same, or if a
    suite, label, control, revision or metric does not exist.
    """
    if (a.label is None) != (b.label is None):
        whole, other = (a, b) if a.label is None else (b, a)
        raise UserError(
            f"{whole.text} is a whole database and {other.text} one label; name a label there too, "
            f"as in {whole.text}:{other.label}"
        )
    if strategies and a.label is not None:
        raise UserError("--strategy narrows two whole databases; here A and B name the label")
    paths = [results if side.path is None else side.path for side in (a, b)]
    same = paths[0].resolve() == paths[1].resolve()
    asked = [(s.label, s.control, s.revision) for s in (a, b)]
    if same and asked[0] == asked[1]:
        raise UserError(f"A and B are the same: {show(a.text)}; a side is {FORMS}")
    with ExitStack() as stack:
        first = stack.enter_context(reading_rows_too(paths[0], to_stderr))
        second = first if same else stack.enter_context(reading_rows_too(paths[1], to_stderr))
        found = [
            load_side(con, side, path=path, metric=metric, suites=suites, strategies=strategies)
            for con, side, path in ((first, a, paths[0]), (second, b, paths[1]))
        ]
    if same and a.control == b.control and found[0].experiments == found[1].experiments:
        raise UserError(
            f"A and B are the same results: {show(a.text)} and {show(b.text)} name the same "
            f"experiments"
        )
    return found[0], found[1]


def load_side(
    con: DuckDBPyConnection,
    side: Selector,
    *,
    path: Path,
    metric: str,
    suites: Sequence[str] = (),
    strategies: Sequence[str] = (),
) -> Loaded:
    """Read the samples of one side; `path` is what messages call the connection's database.

    UserError if a suite, label, control, revision or metric does not exist there.
    """
    known = [x for (x,) in con.execute("SELECT DISTINCT suite FROM tasks ORDER BY ALL").fetchall()]
    if not known:
        raise UserError(f"{path} holds no results yet")
    for suite in suites:
        if suite not in known and len(suites) == 1:
            raise UserError(f"{path}: {UnknownName('suite', suite, known).message}")
    labels = con.execute("SELECT DISTINCT label, strategy FROM cells ORDER BY ALL").fetchall()
    rows, chosen = CURRENT, []
    if side.label is not None:
        _require_label(con, side, path, {label for label, _ in labels})
        chosen = [side.label]
        if side.revision is not None:
            rows = revision(con, side.label, side.revision, suites)
    elif strategies:
        for name in strategies:
            if not any(name in row for row in labels):
                names = sorted({x for row in labels for x in row})
                raise UserError(f"{path} has no strategy {show(name)}{suggest(name, names)}")
        chosen = [label for label, use in labels if {label, use} & set(strategies)]
    found = samples(
        con, metric=metric, suites=suites, labels=chosen, rows=rows.sql, given=rows.given,
        answers=True, every_seed=True,
    )  # fmt: skip
    if side.label is not None:
        controls = {s.control for s in found}
        found = [s for s in found if s.control == side.control]
        if controls and not found:
            hint = suggest(side.control, sorted(controls - {"none"})) or "; it has none"
            raise UserError(f"{path}: {side.label} has no control {show(side.control)}{hint}")
    experiments, settings = _settings(con, rows, suites, chosen)
    measures = primary_measures(con)
    tasks = con.execute("SELECT task, suite, model, dataset, recipe FROM tasks").fetchall()
    primary = {(suite, *names): measures[task] for task, suite, *names in tasks}
    return Loaded(
        samples=found,
        experiments=experiments,
        settings=settings,
        primary=primary,
        measure=measured(con, metric),
    )


def _require_label(con: DuckDBPyConnection, side: Selector, path: Path, current: set[str]) -> None:
    labels = "SELECT DISTINCT label FROM plans WHERE scored_on = 'test'"
    planned = {x for (x,) in con.execute(labels).fetchall()}
    known = planned if side.revision is not None else current
    if side.label not in known:
        hint = UnknownName("label", str(side.label), known).message
        raise UserError(f"{path}: {hint}")


def _settings(
    con: DuckDBPyConnection, rows: Rows, suites: Sequence[str], labels: Sequence[str]
) -> tuple[frozenset[str], TrainedWith]:
    where, given = ["true"], list(rows.given)
    for column, asked in (("suite", suites), ("label", labels)):
        if asked:
            where.append(f"list_contains(?, {column})")
            given.append(list(asked))
    found = con.execute(
        f"""
        WITH chosen AS (
            SELECT DISTINCT suite, experiment_id FROM {rows.sql} WHERE {" AND ".join(where)}
        )
        SELECT
            concat_ws('/', p.model, p.dataset, p.recipe),
            p.config -> 'recipe', p.config -> 'model', p.config -> 'dataset',
            list(p.experiment_id)
        FROM plans p SEMI JOIN chosen USING (suite, experiment_id)
        GROUP BY ALL
        """,
        given,
    ).fetchall()
    experiments = frozenset(identity for row in found for identity in row[-1])
    settings: TrainedWith = {}
    for task, recipe, model, dataset, _ in found:
        parts = {"recipe": recipe, "model": model, "dataset": dataset}
        settings[task] = {key: json.loads(text) for key, text in parts.items() if text}
    return experiments, settings


def differing(a: TrainedWith, b: TrainedWith) -> list[str]:
    """Settings that differ between the sides, one note for each task and part, such as `A and B
    differ on mlp/digits/short, recipe: lr 0.1 | 0.01`.
    """
    notes = []
    for task in a.keys() & b.keys():
        for part in a[task].keys() & b[task].keys():
            one, other = a[task][part], b[task][part]
            if one == other or not isinstance(one, dict) or not isinstance(other, dict):
                continue
            changed = [
                f"{key} {one.get(key, 'default')} | {other.get(key, 'default')}"
                for key in sorted({*one, *other})
                if one.get(key) != other.get(key)
            ]
            notes.append(f"A and B differ on {task}, {part}: {', '.join(changed)}")
    return sorted(notes)
