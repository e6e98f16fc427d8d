"""How long the leaderboard of a million tickets takes, and how fast the journal is folded.

`make bench ARGS="-k leaderboard"`. Prints numbers and asserts no times.
"""

from __future__ import annotations

import json
import os
import platform
import time
from pathlib import Path
from statistics import median

import duckdb

from lth_bench.report.rendering import render
from lth_bench.report.rows import rows
from lth_bench.report.sheet import board
from lth_bench.store import Journal, Paths, fold, rebuild
from lth_bench.store.database import open_safe
from lth_bench.store.schema import create, sql

SUITES, TASKS, LABELS, DENSITIES, SEEDS = 50, 20, 11, 20, 5
"""One label is dense, which has one density: 1,005,000 tickets."""

SUMMARY = """
    SELECT count(rank), sum(low), sum(high), sum(delta_low), sum(delta_high), sum(early_stop_step),
        sum(flops_ratio), sum(flops_masked_ratio), sum(steps), sum(seconds), sum(pending)
    FROM leaderboard
"""
"""Every row of the leaderboard computed, none handed over."""


def test_leaderboard_of_a_million_tickets(tmp_path: Path) -> None:
    """One experiment a ticket, which is the worst case: strategies without a ladder."""
    paths = Paths(tmp_path / "results.duckdb")
    with duckdb.connect(str(paths.results)) as con:
        create(con)
        con.execute(f"""
            CREATE TEMP TABLE made AS
            SELECT
                s.range AS s, t.range AS t, l.range AS l, d.range AS d, e.range AS e,
                substr(sha256(concat_ws('/', s.range, t.range, l.range, d.range, e.range)), 1, 16)
                    AS id,
                CASE WHEN l.range = 0 THEN 1.0 ELSE 0.8 ** d.range END AS density
            FROM range({SUITES}) s, range({TASKS}) t, range({LABELS}) l, range({DENSITIES}) d,
                range({SEEDS}) e
            WHERE l.range > 0 OR d.range = 0
        """)
        con.execute("""
            INSERT INTO plans BY NAME SELECT
                id AS experiment_id, 'suite' || s AS suite, 'model' || t AS model,
                'cifar10' AS dataset, 'paper' AS recipe, 'model' || t AS source_model,
                'cifar10' AS source_dataset, 'paper' AS source_recipe, e AS seed,
                CASE WHEN l = 0 THEN 'dense' ELSE 'strategy' || l END AS strategy,
                strategy AS label, [density] AS densities, [] AS controls,
                's' || s || 't' || t || 'l' || l AS config_id, 0 AS journal_order
            FROM made
        """)

        con.execute("""
            INSERT INTO outcomes BY NAME SELECT id AS experiment_id, 'ok' AS status FROM made
        """)
        con.execute("""
            INSERT INTO tickets BY NAME SELECT
                't' || id AS ticket_id, id AS experiment_id, 'none' AS control,
                true AS reported, density AS target_density, density, 'ok' AS status,
                0.9 + 0.01 * random() AS test_accuracy, 100 * e AS early_stop_step,
                0.9 AS early_stop_accuracy, 1000 AS steps, 1000 AS search_steps,
                1e9 AS flops_dense, 1e9 AS flops_masked_theoretical,
                1e9 AS search_flops_dense, 1e9 AS search_flops_masked_theoretical
            FROM made
        """)
        con.execute(sql("slots.sql"))
        con.execute("CREATE TEMP VIEW stale AS FROM slots")
        con.execute(sql("flat.sql"))
        (tickets,) = con.execute("SELECT count(*) FROM tickets").fetchone() or (0,)
    with open_safe(paths) as con:
        ranked = measure(lambda: con.execute(SUMMARY).fetchall())
        frame = measure(lambda: con.execute("FROM leaderboard").df())
        view = measure(lambda: con.execute("FROM leaderboard").fetchall())
        one = measure(lambda: con.execute("FROM leaderboard WHERE suite = 'suite3'").fetchall())
        table = measure(lambda: render(board(rows(con, suites=["suite3"])), "table"))
    report(
        tickets=tickets, rows=SUITES * TASKS * ((LABELS - 1) * DENSITIES + 1),
        ranked_seconds=ranked, data_frame_seconds=frame, python_rows_seconds=view,
        one_suite_seconds=one, one_suite_printed_seconds=table,
        file_mb=round(paths.results.stat().st_size / 1e6),
    )  # fmt: skip


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


def measure(action: object, times: int = 5) -> float:
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
