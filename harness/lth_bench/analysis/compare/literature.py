"""Published figures beside these results, wherever task and density fit.

They are data beside the user's own, never mixed with them: no test is made against a paper's value,
whose seeds, code and protocol are others. What differs in the protocol is said below each table.
"""

from __future__ import annotations

import json
import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import groupby
from typing import TYPE_CHECKING, Any, NamedTuple

from lth_bench.analysis.boards.scope import DENSITY_TOLERANCE, task_matches
from lth_bench.analysis.measures import measure
from lth_bench.analysis.numbers import kept
from lth_bench.analysis.samples import Sample, samples
from lth_bench.analysis.table import Board, Cell, Line, Table
from lth_bench.errors import NothingSelected
from lth_bench.stats import Interval, differences, t_interval
from lth_bench.suite.protocols import Protocol, protocol_of, protocols
from lth_bench.suite.published import Figure, figures
from lth_bench.system.text import printable

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection

NEAR = 0.1
"""How far, relatively, a figure's density may lie from a result's: 10% is set beside 10.7%."""
NAME = "literature"

LEGEND = (
    "here: mean over your seeds ± 95% t-interval; published: the paper's value ± its standard "
    "deviation over the seeds, where stated; at %: the paper's density, within a tenth of yours. "
    "Accuracies in percent. difference: here − published in points, without a test, since code, "
    "seeds and protocol differ: what differs stands below. Unverified: quoted at second hand."
)


class Match(NamedTuple):
    """A result and a figure about the same task, method and density."""

    sample: Sample
    other: Sample | None
    """What is subtracted or divides it, where the figure is a difference or a ratio."""
    figure: Figure
    protocol: Protocol


def literature(
    con: DuckDBPyConnection,
    *,
    suites: Sequence[str] = (),
    tasks: Sequence[str] = (),
    densities: Sequence[float] = (),
    labels: Sequence[str] = (),
) -> Board:
    """A row for every figure that fits a label, or LABEL/CONTROL, of some task at its density;
    of several figures near a density the nearest one of each paper.

    NothingSelected where none fits; it says what would.
    """
    found = list(matches(con, suites, labels))
    found = [
        m for m in found
        if task_matches((m.sample.model, m.sample.dataset, m.sample.recipe), tasks)
        and (not densities or any(_near(m.sample.target_density, d, DENSITY_TOLERANCE)
                                  for d in densities))
    ]  # fmt: skip
    if not found:
        raise NothingSelected(_what_would(con))
    recipes = _recipes(con)
    rows = [row for m in found if (row := _row(m, recipes)) is not None]
    if not rows:
        raise NothingSelected(_what_would(con))
    keys = ("suite", "model", "dataset", "recipe")
    tables = [
        _table(list(group)) for _, group in groupby(rows, key=lambda row: [row[k] for k in keys])
    ]
    return Board(NAME, rows, tables, LEGEND)


def matches(
    con: DuckDBPyConnection, suites: Sequence[str] = (), labels: Sequence[str] = ()
) -> Iterator[Match]:
    """By suite, task, and density from dense to sparse."""
    by_metric: dict[str, list[Sample]] = {}
    for name in sorted({f.metric for f in figures().values() if f.metric}):
        by_metric[name] = samples(con, metric=name, suites=suites)
    found: list[Match] = []
    for figure in figures().values():
        protocol = protocol_of(figure)
        if not figure.method or protocol is None or figure.density is None:
            continue
        there = by_metric[figure.metric]
        for sample in there:
            if (
                _method(sample) == figure.method
                and protocol.is_task(sample.model, sample.dataset)
                and _near(sample.target_density, figure.density, NEAR)
                and sample.source == sample.task
                and sample.values
                and (not labels or sample.label in labels or sample.name in labels)
            ):
                other = _versus(sample, figure.versus, there) if figure.versus else None
                if other is not None or not figure.versus:
                    found.append(Match(sample, other, figure, protocol))
    yield from sorted(_nearest(found), key=_order)


def _nearest(found: Iterable[Match]) -> Iterator[Match]:
    """Of one series of figures in a paper, the one nearest to a result's density."""
    best: dict[tuple[Any, ...], Match] = {}
    for m in found:
        paper = m.figure.name.partition("/")[0]
        key = (id(m.sample.values), m.sample.name, m.sample.task, m.sample.target_density,
               paper, m.figure.what.split(",")[0], m.figure.versus)  # fmt: skip
        if key not in best or _distance(m) < _distance(best[key]):
            best[key] = m
    return iter(best.values())


def _distance(m: Match) -> float:
    assert m.figure.density is not None
    return abs(math.log(m.figure.density / m.sample.target_density))


def _order(m: Match) -> tuple[Any, ...]:
    s = m.sample
    return (
        s.suite,
        s.model,
        s.dataset,
        s.recipe,
        -s.target_density,
        s.label,
        s.name,
        m.figure.name,
    )


def _near(a: float, b: float, tolerance: float) -> bool:
    if 1 in (a, b):  # a dense run is compared with a dense one
        return a == b
    return abs(a - b) <= tolerance * b + 1e-12


def _method(sample: Sample) -> str:
    """The strategy, not the label, which a suite chooses: `imp/reinit`."""
    return sample.strategy if sample.control == "none" else f"{sample.strategy}/{sample.control}"


def _versus(sample: Sample, versus: str, there: Sequence[Sample]) -> Sample | None:
    """The other side of a difference: of the same label, or the dense run."""
    for other in there:
        if (other.suite, other.task) != (sample.suite, sample.task) or other.source != other.task:
            continue
        same = other.label == sample.label and other.target_density == sample.target_density
        if _method(other) == versus and (same or versus == "dense"):
            return other
    return None


def _value(m: Match) -> Interval | None:
    """The mean in the figure's unit, over the seeds that count; None where no seed is common."""
    scale = 100.0 if m.figure.unit in ("%", "points") else 1.0
    if m.other is None:
        return t_interval(scale * x for x in m.sample.values.values())
    if m.figure.unit == "ratio":
        logs = {
            seed: math.log(x / m.other.values[seed])
            for seed, x in m.sample.values.items()
            if x > 0 and m.other.values.get(seed, 0) > 0
        }
        if not logs:
            return None
        found = t_interval(logs.values())
        low, high = (None if x is None else math.exp(x) for x in (found.low, found.high))
        return Interval(math.exp(found.mean), low, high, found.n)
    both = differences(m.sample.values, m.other.values)
    return t_interval(scale * x for x in both.values()) if both else None


def _row(m: Match, recipes: Mapping[tuple[str, ...], Mapping[str, Any]]) -> dict[str, Any] | None:
    found = _value(m)
    if found is None:
        return None
    s, f = m.sample, m.figure
    task = (s.suite, s.model, s.dataset, s.recipe)
    published = (f.low + f.high) / 2
    return {
        "suite": s.suite, "model": s.model, "dataset": s.dataset, "recipe": s.recipe,
        "label": s.label, "strategy": s.strategy, "control": s.control,
        "versus": f.versus or None, "metric": f.metric, "unit": f.unit,
        "target_density": s.target_density, "n": found.n, "mean": found.mean,
        "low": found.low, "high": found.high, "lost": len(s.lost),
        "published": f.name, "paper": f.paper, "where": f.where, "what": f.what,
        "pruning": f.pruning or None, "published_density": f.density,
        "published_low": f.low, "published_high": f.high, "published_sd": f.sd,
        "published_n": f.n, "basis": f.basis,
        "difference": None if f.unit == "ratio" else found.mean - published,
        "protocol": list(m.protocol.differences(s.model, recipes.get(task, {}))),
    }  # fmt: skip


def _recipes(con: DuckDBPyConnection) -> dict[tuple[str, ...], Mapping[str, Any]]:
    """The recipe of each task as it was recorded last."""
    found = con.execute(
        "SELECT suite, model, dataset, recipe, arg_max(config -> 'recipe', journal_order) "
        "FROM plans WHERE scored_on = 'test' GROUP BY ALL"
    ).fetchall()
    return {tuple(task): json.loads(text) if text else {} for *task, text in found}


def _table(rows: Sequence[dict[str, Any]]) -> Table:
    first = rows[0]
    papers = {paper: f"[{n}]" for n, paper in enumerate(dict.fromkeys(r["paper"] for r in rows), 1)}
    blocks = [
        [_line(row, papers[row["paper"]], begins=not number) for number, row in enumerate(block)]
        for _, block in groupby(rows, key=lambda row: row["target_density"])
    ]
    notes = []
    for paper, number in papers.items():
        of_paper = [row for row in rows if row["paper"] == paper]
        said = "; ".join(of_paper[0]["protocol"]) or "no difference of protocol that is known"
        weak = " Unverified." if any(r["basis"] == "unverified" for r in of_paper) else ""
        notes.append(printable(f"{number} {paper}: {said}.{weak}"))
    return Table(
        header=("density %", "strategy", "here", "published", "at %", "difference", "paper"),
        blocks=blocks,
        title=printable(f"{first['model']} · {first['dataset']} · {first['recipe']}"),
        group=printable(first["suite"]),
        left=frozenset({1, 6}),
        optional=frozenset({4, 5}),
        notes=tuple(notes),
        about=tuple(first[key] for key in ("suite", "model", "dataset", "recipe")),
    )


def _line(row: Mapping[str, Any], number: str, *, begins: bool) -> Line:
    name = row["label"] if row["control"] == "none" else f"{row['label']}/{row['control']}"
    sign = "/" if row["unit"] == "ratio" else "−"
    who = name if row["versus"] is None else f"{name} {sign} {row['versus']}"
    if row["metric"] != "test_accuracy":
        who += f", {measure(row['metric']).words}"
    half = "" if row["high"] is None else f" ± {row['high'] - row['mean']:.2f}"
    seeds = f" (n = {row['n']})"
    spread = "" if row["published_sd"] is None else f" ± {row['published_sd']:.2f}"
    there = f"{row['published_low']:.2f}"
    if row["published_high"] != row["published_low"]:
        there += f" to {row['published_high']:.2f}"
    of = "" if row["published_n"] is None else f" (n = {row['published_n']})"
    off = row["difference"]
    return (
        Cell(kept(row["target_density"]) if begins else "", "strong"),
        Cell(printable(who)),
        Cell(f"{row['mean']:.2f}{half}{seeds}", short=f"{row['mean']:.2f}"),
        Cell(f"{there}{spread}{of}", short=there),
        Cell(kept(row["published_density"])),
        Cell("" if off is None else f"{off:+.2f}".replace("-", "−")),
        Cell(f"{number} {row['paper']}", short=number),
    )


def _what_would(con: DuckDBPyConnection) -> str:
    """What to run for a figure to fit: the tasks of the papers, and which of them are here."""
    there = {(m, d) for m, d in con.execute("SELECT DISTINCT model, dataset FROM tasks").fetchall()}
    of_task: dict[str, set[str]] = {}
    for figure in figures().values():
        protocol = protocol_of(figure)
        if figure.method and protocol is not None and figure.density is not None:
            of_task.setdefault(f"{protocol.model} on {protocol.data}", set()).add(figure.method)
    known = [p for p in protocols() if any(p.is_task(*task) for task in there)]
    tasks = ", ".join(of_task)
    if not known:
        return (
            f"no published figure is about a task of these results; there are figures of {tasks}: "
            f"run one of these, such as `lth-bench run mnist_lenet`"
        )
    told = []
    for p in dict.fromkeys((p.model, p.data) for p in known):
        points: dict[str, set[float]] = {}
        for f in figures().values():
            q = protocol_of(f)
            if f.method and f.density and q is not None and (q.model, q.data) == p:
                points.setdefault(f.method, set()).add(f.density)
        methods = (
            f"{method} at {', '.join(kept(d) for d in sorted(points[method], reverse=True))}%"
            for method in sorted(points)
        )
        told.append(f"on {p[0]}/{p[1]}: {'; '.join(methods)}")
    return (
        f"no published figure fits a method and a density (within {100 * NEAR:g}%) of these "
        f"results; those that would, {'. And '.join(told)}"
    )
