"""Reads cards: the leaderboard's rows at each task's headline density, and places by area."""

from __future__ import annotations

import tomllib
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import partial
from itertools import groupby
from typing import TYPE_CHECKING, Any

from lth_bench.analysis.boards import area
from lth_bench.analysis.boards.baseline import Baselines, baselines
from lth_bench.analysis.boards.censoring import never_reached
from lth_bench.analysis.boards.judging import Words, step_of
from lth_bench.analysis.boards.layout import role
from lth_bench.analysis.boards.rows import ON, BoardRow, full_name, landed, who
from lth_bench.analysis.boards.scope import BoardScope, resolve
from lth_bench.analysis.card.finding import finding, next_steps, of_whole
from lth_bench.analysis.card.model import Card, CardRow, DensityChoice, TaskCard
from lth_bench.analysis.evidence.subject import Task
from lth_bench.analysis.leaderboard import Question
from lth_bench.analysis.measures import Measure, measured
from lth_bench.analysis.suite_order import UNKNOWN, suite_orders
from lth_bench.analysis.task_names import spoken
from lth_bench.errors import UserError
from lth_bench.stats import Summary, not_worse_p
from lth_bench.stats.sequential import ALIKE
from lth_bench.stats.verdict import LEAST
from lth_bench.suite.overrides import apply_overrides
from lth_bench.system.text import printable

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection

HEADLINE = "suite.headline"
LEVEL = 0.95
Places = Mapping[tuple[str, ...], BoardRow]
"""Rows of the board by area, by task and ticket."""


def cards(
    con: DuckDBPyConnection,
    question: Question,
    rows: Sequence[Mapping[str, Any]],
) -> list[Card]:
    """A card for each suite that has tickets.

    Args:
        con: The database.
        question: By a metric, within each task; the same that `rows` answer.
        rows: Of the leaderboard.
    """
    scope = resolve(con, question.selection)
    against = baselines(con, scope, question.baseline)
    asked = bool(question.selection.densities)
    planned, headlines = _densities(con, scope), _headlines(con, scope)
    orders = suite_orders(con, scope.suites)
    found = []
    for suite, group in groupby(sorted(map(dict, rows), key=_suite), key=_suite):
        members = list(group)
        order = orders.get(suite, UNKNOWN)
        own = against.of_suite(suite)
        names = spoken(list(dict.fromkeys(_task(row) for row in members)))
        tasks = []
        for metric, some in groupby(members, key=lambda row: str(row["metric"])):
            known, those = measured(con, metric), list(some)
            places = {} if asked else _places(con, scope, against, known, those)
            for task, cells in groupby(those, key=_task):
                block = list(cells)
                there = planned.get((suite, *task), ())
                chosen = _chosen(there, {*_targets(block)}, headlines.get(suite))
                if chosen is not None:
                    words = Words.of(known, own, question.margin)
                    make = partial(
                        _task_card,
                        block,
                        names[task],
                        measure=known,
                        words=words,
                        against=own,
                        places=places,
                    )
                    rest = sorted({*_targets(block)} - {chosen[0]}, reverse=True)
                    others = [make(chosen=(density, "asked")) for density in rest]
                    tasks.append(replace(make(chosen=chosen), elsewhere=others))
        if tasks:
            tasks.sort(key=lambda card: order.of_task(_task(card.rows[0].row)))
            where = scope.results_option
            steps = next_steps(tasks, _command(con, suite, where), where)
            found.append(Card(suite=suite, tasks=tasks, finding=finding(tasks), next=steps))
    return found


def _suite(row: BoardRow) -> str:
    return str(row["suite"])


def _task(row: BoardRow) -> Task:
    return Task(row["model"], row["dataset"], row["recipe"])


def _targets(rows: Sequence[BoardRow]) -> list[float]:
    return [row["target_density"] for row in rows if role(row) == "ranked"]


def _densities(
    con: DuckDBPyConnection, scope: BoardScope
) -> dict[tuple[str, ...], tuple[float, ...]]:
    """By suite and task: all target densities below 1, from dense to sparse, whatever was asked
    for.
    """
    found: dict[tuple[str, ...], list[float]] = defaultdict(list)
    for task, density in con.execute(
        """
        SELECT DISTINCT task, target_density FROM cells
        WHERE control = 'none' AND strategy <> 'dense' AND target_density < 1
        ORDER BY target_density DESC
        """
    ).fetchall():
        if task in scope.tasks:
            found[tuple(scope.tasks[task])].append(density)
    return {task: tuple(densities) for task, densities in found.items()}


def _headlines(con: DuckDBPyConnection, scope: BoardScope) -> dict[str, float | None]:
    """By suite: `headline` of its file as it was last run, changed by `--set` or not."""
    found = {}
    for suite, text, overrides in con.execute(
        """
        SELECT s.suite, s.suite_toml, e.overrides
        FROM suites s LEFT JOIN environments e ON e.run_id = s.run_id
        WHERE s.suite IN (SELECT unnest(?))
        """,
        [scope.suites],
    ).fetchall():
        found[suite] = headline_of(text or "", overrides or ())
    return found


def headline_of(text: str, overrides: Sequence[str] = ()) -> float | None:
    """`headline` of a suite's TOML; None where it has none, or is of another version."""
    try:
        document = tomllib.loads(text)
        apply_overrides(document, [one for one in overrides if one.startswith(f"{HEADLINE}=")])
        given = document.get("suite", {}).get("headline")
    except (tomllib.TOMLDecodeError, UserError):
        return None
    return float(given) if isinstance(given, int | float) else None


def _chosen(
    planned: Sequence[float], there: set[float], headline: float | None
) -> tuple[float, DensityChoice] | None:
    """A task's headline density of those that are there, and who chose it; None without any.

    The middle one of an even number is the sparser of the two.
    """
    if not there:
        return None
    if headline in there:
        assert headline is not None
        return headline, "suite"
    if headline not in planned and planned and (middle := _middle(planned)) in there:
        return middle, "middle"
    return _middle(sorted(there, reverse=True)), "asked"


def _middle(densities: Sequence[float]) -> float:
    return densities[len(densities) // 2]


def _places(
    con: DuckDBPyConnection,
    scope: BoardScope,
    against: Baselines,
    measure: Measure,
    rows: Sequence[BoardRow],
) -> Places:
    """By area, of tasks with two densities and more; empty where there are no areas."""
    tasks = {tuple(row[key] for key in ON) for row in rows}
    part = scope.of([number for number, task in scope.tasks.items() if tuple(task) in tasks])
    if never_reached(con, part, measure):  # areas of values that are not known
        return {}
    try:
        found = area.rows(con, part, against, measure)
    except UserError:  # no curve to take an area of
        return {}
    return {
        _ticket(row): row for row in found if role(row) == "ranked" and len(row["densities"]) > 2
    }


def _ticket(row: BoardRow) -> tuple[str, ...]:
    return (*(row[key] for key in ON), *who(row))


def _task_card(
    block: Sequence[BoardRow],
    name: str,
    *,
    measure: Measure,
    words: Words,
    against: Baselines,
    chosen: tuple[float, DensityChoice],
    places: Places,
) -> TaskCard:
    density, by = chosen
    mine = [row for row in block if role(row) == "ranked" and row["target_density"] == density]
    dense = [row for row in block if role(row) == "dense" and against.is_reference(row)]
    rows = []
    for row in sorted(mine, key=lambda row: (row["rank"] is None, row["rank"] or 0)):
        by_area = places.get(_ticket(row), {})
        cell, matches = words.in_words(row), _matches(row, measure)
        # neither better nor equivalent is shown, and yet it is not worse by more than the margin
        opened = matches and row["verdict"] == "open"
        verdict = "matches or better" if opened else cell.text
        rows.append(
            CardRow(
                row=row,
                name=full_name(row) + landed(row),
                verdict=verdict,
                short_verdict=_shortened(verdict, row["verdict"]),
                style=cell.style,
                matches=matches,
                area_place=by_area.get("rank"),
                area_tied=bool(by_area.get("tied")),
            )
        )
    return TaskCard(
        name=printable(name),
        measure=measure,
        density=density,
        chosen=by,
        rows=rows,
        dense=next((row for row in dense if row["n"]), None),
        versus=against.short,
        against=against.word,
        margin=words.margin + words.unit,
    )


def _shortened(verdict: str, kind: str | None) -> str:
    if kind in ("failed", "insufficient") or kind is None:
        return verdict.removesuffix(" seeds")
    if verdict.startswith("open,"):
        return verdict.replace(",", "").removesuffix(" seeds")
    return verdict.partition(" within ")[0].partition(" by <")[0].partition(",")[0]


def _matches(row: BoardRow, measure: Measure) -> bool:
    """As the board by matching has it: one-sided, no seed lost or skipped, three at least."""
    n, mean, deviation = (row[f"difference{key}"] for key in ("_n", "", "_deviation"))
    if n < LEAST or mean is None or row["lost"] or row["skipped"] or row.get("signs") is not None:
        return False
    summary = Summary(n, measure.sign * mean, deviation).floored(step_of(measure)(row))
    alpha = 1 - LEVEL if row.get("stop") is None else ALIKE
    return not_worse_p(summary, row["margin"]) < alpha


def _command(con: DuckDBPyConnection, suite: str, results: str) -> str:
    """That of the suite's last run, as it was typed; empty where it is not known. Where all parts
    of the suite are here, that of the whole suite.
    """
    found = con.execute(
        """
        SELECT e.command FROM suites s JOIN environments e ON e.run_id = s.run_id
        WHERE s.suite = ?
        """,
        [suite],
    ).fetchone()
    if found is None or not found[0]:
        return ""
    every = con.execute(
        "SELECT command FROM environments WHERE suite = ? AND command IS NOT NULL", [suite]
    ).fetchall()
    return printable(of_whole(found[0], [command for (command,) in every], results))
