"""How long the leaderboards of a million tickets take, and how fast the journal is folded.

`make bench ARGS="-k leaderboard"`. Prints numbers and asserts no times.
"""

from __future__ import annotations

import json
import os
import platform
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from statistics import median
from typing import Any

import duckdb
import pytest

from lth_bench.analysis.boards.scope import Selection
from lth_bench.analysis.leaderboard import ACROSS, KINDS, WITHIN, Question, leaderboard
from lth_bench.output.formats import render_board
from lth_bench.store import Journal, Paths, fold, rebuild
from lth_bench.store.database import open_safe
from lth_bench.store.schema import create, sql

TASKS, LABELS, DENSITIES = 20, 11, 20
"""One label is dense, which has one density."""

SHAPES = {"many_rows": (50, 5), "many_seeds": (1, 250)}
"""Suites and seeds of 1,005,000 tickets: 201,000 rows of 5 seeds, or 4,020 of 250."""

SUMMARY = """
    SELECT count(rank), sum(low), sum(high), sum(delta_low), sum(delta_high), sum(early_stop_step),
        sum(flops_ratio), sum(flops_masked_ratio), sum(steps), sum(seconds), sum(pending)
    FROM leaderboard
"""
"""Every row of the leaderboard computed, none handed over."""


@pytest.mark.parametrize("shape", SHAPES)
def test_leaderboard_of_a_million_tickets(tmp_path: Path, shape: str) -> None:
    """Every kind: of all tickets what is computed, of one suite also printed."""
    suites, seeds = SHAPES[shape]
    paths = Paths(tmp_path / "results.duckdb")
    tickets = make(paths, suites, seeds)
    one = Selection(suites=["suite0"])
    found: dict[str, float] = {}
    with open_safe(paths) as con:
        found["view"] = measure(lambda: con.execute(SUMMARY).fetchall())
        ranking = [(by, False) for by in KINDS if by not in WITHIN]
        for by, across in (*ranking, *((by, True) for by in ACROSS)):
            kind = f"{by}_across" if across else by
            asked = Question(by=by, across=across, selection=one)
            found[f"{kind}_of_one_suite_printed"] = measure(answer(con, asked, "table"))
            if shape == "many_rows" and not across and by in ("matching", "area", "cost"):
                # the others have 201,000 rows
                found[kind] = measure(answer(con, replace(asked, selection=Selection())))
    report(
        tickets=tickets, rows=suites * TASKS * ((LABELS - 1) * DENSITIES + 1),
        file_mb=round(paths.results.stat().st_size / 1e6),
        **{f"{name}_seconds": seconds for name, seconds in found.items()},
    )  # fmt: skip


def answer(con: Any, question: Question, format: str | None = None) -> Callable[[], object]:
    """What is measured: the board, and printed if a format is named."""
    if format is None:
        return lambda: leaderboard(con, question)
    return lambda: render_board(leaderboard(con, question), format)


def make(paths: Paths, suites: int, seeds: int) -> int:
    """One experiment a ticket, which is the worst case: strategies without a ladder."""
    with duckdb.connect(str(paths.results)) as con:
        create(con)
        con.execute(f"""
            CREATE TEMP TABLE made AS
            SELECT
                s.range AS s, t.range AS t, l.range AS l, d.range AS d, e.range AS e,
                substr(sha256(concat_ws('/', s.range, t.range, l.range, d.range, e.range)), 1, 16)
                    AS id,
                CASE WHEN l.range = 0 THEN 1.0 ELSE 0.8 ** (d.range + 1) END AS density
            FROM range({suites}) s, range({TASKS}) t, range({LABELS}) l, range({DENSITIES}) d,
                range({seeds}) e
            WHERE l.range > 0 OR d.range = 0
        """)
        con.execute("""
            INSERT INTO plans BY NAME SELECT
                id AS experiment_id, 'suite' || s AS suite, 'model' || t AS model,
                'cifar10' AS dataset, 'paper' AS recipe, 'model' || t AS source_model,
                'cifar10' AS source_dataset, 'paper' AS source_recipe, e AS seed,
                CASE WHEN l = 0 THEN 'dense' ELSE 'strategy' || l END AS strategy,
                strategy AS label, [density] AS densities, [] AS controls,
                's' || s || 't' || t || 'l' || l AS config_id, 'test' AS scored_on,
                'accuracy' AS metric, 'fraction' AS metric_unit, true AS higher_is_better,
                0 AS journal_order
            FROM made
        """)

        con.execute("""
            INSERT INTO outcomes BY NAME SELECT id AS experiment_id, 'ok' AS status FROM made
        """)
        con.execute("""
            INSERT INTO tickets BY NAME SELECT
                't' || id AS ticket_id, id AS experiment_id, 'none' AS control,
                true AS reported, density AS target_density, density, 'ok' AS status,
                0.9 + 0.01 * hash(id) / 2**64 AS test_accuracy, test_accuracy AS score,
                100 * e AS early_stop_step,
                0.9 AS early_stop_accuracy, 1000 AS steps, 1000 AS search_steps,
                1e9 AS flops_dense, 1e9 AS flops_masked_theoretical,
                1e9 AS search_flops_dense, 1e9 AS search_flops_masked_theoretical
            FROM made
        """)
        con.execute(sql("slots.sql"))
        con.execute("CREATE TEMP VIEW stale AS FROM slots")
        con.execute(sql("flat.sql"))
        (tickets,) = con.execute("SELECT count(*) FROM tickets").fetchone() or (0,)
    return int(tickets)


def test_fold_of_100_000_tickets(tmp_path: Path) -> None:
    import runpy

    scenario = runpy.run_path(str(Path(__file__).parents[1] / "store" / "records.py"))["Scenario"]
    paths = Paths(tmp_path / "results.duckdb")
    small = scenario(
        strategies=("dense", "imp", "one_shot", "snip", "rigl"),
        seeds=range(1700), densities=[0.8**i for i in range(1, 15)], curve_points=20,
    )  # fmt: skip
    count = 0
    with Journal(paths) as journal:
        journal.append(small.run())
        journal.append(small.planned())
    from lth_bench.store.journal import encode

    with paths.journal.open("ab") as file:  # without the flush to disk that each append makes
        for experiment in small.experiments():
            for record in small.results(experiment):
                file.write(encode(record))
                count += record["record"] == "ticket"
    first = fold(paths)
    nothing = measure(lambda: fold(paths))
    with Journal(paths) as journal:
        begun = time.perf_counter()
        journal.append(record)
        append = time.perf_counter() - begun
    one = fold(paths)
    again = rebuild(paths)
    report(
        tickets=count, journal_mb=round(paths.journal.stat().st_size / 1e6),
        fold_seconds=first.seconds, nothing_new_seconds=nothing, one_record_seconds=one.seconds,
        rebuild_seconds=again.seconds, append_seconds=append,
        file_mb=round(paths.results.stat().st_size / 1e6),
    )  # fmt: skip


def measure(action: Callable[[], object], times: int = 5) -> float:
    seconds = []
    for _ in range(times):
        begun = time.perf_counter()
        action()
        seconds.append(time.perf_counter() - begun)
    return median(seconds)


def report(**numbers: float) -> None:
    where = {"cpu": platform.processor() or platform.machine(), "cores": os.cpu_count()}
    rounded = {key: round(value, 3) for key, value in numbers.items()}
    print("\n" + json.dumps({**rounded, "duckdb": duckdb.__version__, **where}))
