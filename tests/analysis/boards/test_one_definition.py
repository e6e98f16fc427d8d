"""One definition of rank, mean, interval and verdict, whatever became of the seeds.

Many tasks with every mix of statuses, and what each way out says of them: the terminal, CSV, JSON,
the page, the figures' data, the SQL views and the Python frames.
"""

from __future__ import annotations

import csv
import io
import json
import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pandas
import pytest
from close import close
from hypothesis import Phase, given, settings
from hypothesis import strategies as st
from thoroughness import THOROUGH, UNCHECKED

import lth_bench
from lth_bench.analysis import evidence
from lth_bench.analysis.boards.rows import full_name
from lth_bench.analysis.boards.scope import Selection
from lth_bench.analysis.claims import evidence as of_claims
from lth_bench.analysis.claims.finding import finding
from lth_bench.analysis.compare.lines import Options, compare
from lth_bench.analysis.compare.pairs import groups
from lth_bench.analysis.leaderboard import Question, leaderboard
from lth_bench.analysis.measures import measure
from lth_bench.analysis.page import TaskReport
from lth_bench.analysis.page.gather import suite_facts
from lth_bench.analysis.samples import samples
from lth_bench.output.formats import as_csv, as_json, as_latex, as_markdown
from lth_bench.output.page.sections.ranking import ranking
from lth_bench.output.page.sections.summary import summary
from lth_bench.output.terminal import as_text
from lth_bench.stats import Summary, judge, rank_intervals
from lth_bench.suite.spec import Claim, Side

IMAGES = 50
LABELS = ("imp", "one_shot", "snip")
DENSITIES = (0.5, 0.2)
SEEDS = 4
LOST = ("failed", "diverged")

Cells = dict[tuple[str, str, float], list[Any]]
Key = tuple[str, str, float]
"""Model, label and target density."""

accuracies = st.integers(40, 50).map(lambda right: right / IMAGES)
outcomes = st.one_of(
    accuracies, accuracies, accuracies,
    st.sampled_from([*LOST, "skipped", "oom", "timeout", "interrupted", None]),
)  # fmt: skip
"""Of a seed: an accuracy, what became of it instead, or None where it is still planned."""
of_a_cell = st.lists(outcomes, min_size=SEEDS, max_size=SEEDS)
of_a_task = st.tuples(of_a_cell, *[of_a_cell] * (len(LABELS) * len(DENSITIES)))


def cells_of(tasks: list[tuple[list[Any], ...]]) -> Cells:
    found: Cells = {}
    for number, (dense, *tickets) in enumerate(tasks):
        model, places = f"m{number}", iter(tickets)
        found[model, "dense", 1.0] = dense
        for label in LABELS:
            for density in DENSITIES:
                found[model, label, density] = next(places)
    return found


@settings(
    max_examples=3 if THOROUGH else 1,
    phases=[Phase.generate],  # a database an example: to shrink one takes minutes
    suppress_health_check=UNCHECKED,
)
@given(st.lists(of_a_task, min_size=8, max_size=8))
def test_board_view_figures_page_and_files_agree(
    chosen: Callable[..., Any], tasks: list[tuple[list[Any], ...]]
) -> None:
    cells = cells_of(tasks)
    con = chosen(cells, test_examples=IMAGES)
    board = leaderboard(con, Question(selection=Selection()))
    rows = {key_of(row): row for row in board.rows}
    assert rows.keys() == cells.keys()

    by_hand(cells, rows)
    view = con.sql("FROM leaderboard").df().to_dict("records")
    of_view = {key_of(row): row for row in view}
    frame = lth_bench.results(path_of(con)).leaderboard().to_dict("records")
    for key, row in rows.items():
        for column in view[0]:
            assert alike(of_view[key][column], row[column]), (key, column)
    assert [key_of(row) for row in frame] == [key_of(row) for row in view]  # in its order, too
    for row in frame:
        assert all(alike(x, of_view[key_of(row)][column]) for column, x in row.items())

    printed = csv.DictReader(io.StringIO(as_csv(board)))
    for row in printed:
        mine = rows[row["model"], row["label"], float(row["target_density"])]
        assert row["verdict_text"] == (mine["verdict_text"] or "")
        for column in ("rank", "mean", "low", "high", "rank_low", "rank_high", "n80"):
            assert alike(float(row[column]) if row[column] else None, mine[column])
    for row in json.loads(as_json(board))["leaderboard"]:
        assert row == json.loads(json.dumps(rows[key_of(row)]))

    for table in board.tables:
        density = 1.0
        for line in table.lines():
            density = float(line[0].text) / 100 if line[0].text else density
            row = rows[table.about[1], line[2].text, density]
            if row["strategy"] == "dense" or row["rank"] is None:
                assert line[1].text == ""
            else:
                tie = "=" if row["tied"] and row["rank"] > 1 else ""
                assert line[1].text == f"{row['rank']}{tie}"
            if row["mean"] is not None:
                assert line[3].text.startswith(f"{100 * row['mean']:.2f}")
            for text in (as_text(board, 200), as_markdown(board)):
                assert line[5].text in text.replace("\\", "")
    assert as_latex(board).count(r"\begin{tabular}") == len(tasks)

    (suite,) = suite_facts(con)
    for task in suite.tasks:
        of_page(task, rows)
    of_figures(con, rows)
    of_fronts(con)
    of_matching(con)


def key_of(row: Any) -> Key:
    return row["model"], row["label"], row["target_density"]


def path_of(con: Any) -> Path:
    (path,) = con.execute("SELECT path FROM duckdb_databases() WHERE path IS NOT NULL").fetchone()
    return Path(path)


def alike(one: Any, other: Any) -> bool:
    """Numbers but for roundoff; NaN, NA and None are what is not there."""
    gone = [bool(pandas.isna(x)) for x in (one, other)]
    if any(gone):
        return all(gone)
    if isinstance(one, str):
        return bool(one == other)
    return math.isclose(float(one), float(other), rel_tol=1e-9, abs_tol=1e-12)


def by_hand(cells: Cells, rows: dict[Key, Any]) -> None:
    """From the chosen outcomes alone, without SQL."""
    for (model, label, density), seeds in cells.items():
        row = rows[model, label, density]
        ok = {i: x for i, x in enumerate(seeds) if isinstance(x, float)}
        lost = sum(x in LOST for x in seeds)
        assert (row["n"], row["failed"], row["planned"]) == (len(ok), lost, SEEDS)
        assert row["skipped"] == seeds.count("skipped")
        assert row["pending"] == SEEDS - len(ok) - lost - seeds.count("skipped")
        if ok:
            interval = Summary.of(ok.values()).floored(1 / IMAGES).interval()
            for column in ("mean", "low", "high"):
                assert alike(row[column], getattr(interval, column))
        if label == "dense":
            continue
        dense = {i: x for i, x in enumerate(cells[model, "dense", 1.0]) if isinstance(x, float)}
        pairs = [x - dense[i] for i, x in ok.items() if i in dense]
        if not pairs and not lost:
            assert row["verdict"] is None
            continue
        summary = Summary.of(pairs) if pairs else None
        verdict = judge(summary, lost=lost, planned=SEEDS, step=1 / IMAGES)
        assert (row["verdict"], row["verdict_text"]) == (verdict.kind, verdict.text)
        assert alike(row["detectable"], verdict.detectable)
    for model in {model for model, _, _ in cells}:
        for density in DENSITIES:
            of_a_block({x: cells[model, x, density] for x in LABELS}, model, density, rows)


def of_a_block(
    block: dict[str, list[Any]], model: str, density: float, rows: dict[Key, Any]
) -> None:
    """Ranks count a lost seed as accuracy 0; their intervals are those of `stats`."""
    scores, samples = {}, {}
    for label, seeds in block.items():
        ok = [x for x in seeds if isinstance(x, float)]
        if ok:
            scores[label] = sum(ok) / (len(ok) + sum(x in LOST for x in seeds))
            samples[label] = {
                i: x if isinstance(x, float) else None
                for i, x in enumerate(seeds) if isinstance(x, float) or x in LOST
            }  # fmt: skip
    places = rank_intervals(samples, step=1 / IMAGES)
    for label in block:
        row = rows[model, label, density]
        if label not in scores:
            assert (row["rank"], row["rank_low"], row["rank_high"]) == (None, None, None)
            continue
        better = sum(other > scores[label] + 1e-10 for other in scores.values())
        assert (row["rank"], (row["rank_low"], row["rank_high"])) == (better + 1, places[label])


def of_page(task: TaskReport, rows: dict[Key, Any]) -> None:
    grid = [[cell.text for cell in row.cells] for row in ranking(task).parts[0].rows]  # type: ignore[union-attr]
    for standing, cells in zip(task.standings, grid, strict=True):
        row = rows[task.place.task.model, standing.sample.label, standing.density]
        assert close(standing.row) == row
        assert cells[5] == task.words.cell(row).text
        if standing.is_dense or (rank := row["rank"]) is None:
            assert cells[1] == ""
        else:
            assert cells[1] == (f"{rank}=" if row["tied"] and rank > 1 else str(rank))
        if row["mean"] is not None:
            assert cells[3].startswith(f"{100 * row['mean']:.2f}")


def of_figures(con: Any, rows: dict[Key, Any]) -> None:
    for place, series in evidence.density_series(con).items():
        for line in series:
            for i, density in enumerate(line.x):
                row = rows[place.task.model, line.label, density]
                found = (line.mean[i], line.low[i], line.high[i], line.n[i], line.lost[i])
                expected = [row[x] for x in ("mean", "low", "high", "n", "failed")]
                assert all(map(alike, found, expected))
    for place, points in evidence.pareto_points(con).items():
        for point in points:
            row = rows[place.task.model, point.label, point.target_density]
            assert all(alike(getattr(point, x), row[x]) for x in ("mean", "low", "high", "n"))


def of_fronts(con: Any) -> None:
    of_view = {
        (model, label, density): front
        for model, label, density, front in con.execute(
            "SELECT model, label, target_density, on_cost_front FROM pareto"
        ).fetchall()
    }
    drawn = {
        (place.task.model, point.label, point.target_density): point.on_front
        for place, points in evidence.pareto_points(con).items() for point in points
    }  # fmt: skip
    assert {k for k, front in of_view.items() if front} == {k for k, x in drawn.items() if x}


def of_matching(con: Any) -> None:
    board = leaderboard(con, Question(by="matching"))
    rows = {(row["model"], row["label"]): row for row in board.rows}
    for model, label, matching, compatible in con.execute(
        "SELECT model, label, matching_density, compatible_density FROM matching"
    ).fetchall():
        row = rows[model, label]
        assert (matching, compatible) == (row["even_density"], row["possible_density"])


def test_every_output_has_the_same_winner(chosen: Callable[..., Any]) -> None:
    """imp has the better mean of the seeds that ended, and lost one."""
    con = chosen({
        ("dense", 1.0): [0.98, 0.98, 0.98],
        ("imp", 0.5): [0.96, 0.96, "failed"],
        ("snip", 0.5): [0.94, 0.94, 0.94],
    })  # fmt: skip
    ranks = "SELECT label, rank FROM leaderboard WHERE target_density = 0.5 ORDER BY rank"
    assert con.execute(ranks).fetchall() == [("snip", 1), ("imp", 2)]
    (table,) = leaderboard(con).tables
    assert [line[2].text for line in table.lines()] == ["dense", "snip", "imp"]
    (suite,) = suite_facts(con)
    assert [s.name for s in suite.tasks[0].standings] == ["dense", "snip", "imp"]
    # a lost seed does not match dense, and is on no front
    assert con.execute("SELECT label, matching_density FROM matching ORDER BY 1").fetchall() == [
        ("imp", None), ("snip", None),
    ]  # fmt: skip
    fronts = con.execute("SELECT label, on_density_front FROM pareto ORDER BY 1").fetchall()
    assert fronts == [("dense", True), ("imp", False), ("snip", True)]


def test_equal_means_share_a_rank_whatever_the_order_of_the_sum(chosen: Callable[..., Any]) -> None:
    values = [0.51, 0.62, 0.73, 0.84]  # their sum is not that of their reverse
    con = chosen({
        ("dense", 1.0): [0.9] * 4, ("imp", 0.5): values, ("snip", 0.5): values[::-1],
    })  # fmt: skip
    ranks = "SELECT DISTINCT rank FROM leaderboard WHERE target_density = 0.5"
    assert con.execute(ranks).fetchall() == [(1,)]
    fronts = "SELECT label FROM pareto WHERE label <> 'dense' AND on_density_front ORDER BY 1"
    assert con.execute(fronts).fetchall() == [("imp",), ("snip",)]
    assert [row["rank"] for row in leaderboard(con).rows][1:] == [1, 1]


@pytest.mark.parametrize(("n", "snip", "second"), [(2, 0.9, "1"), (2, 0.8, "2"), (3, 0.1, "2"),
                                                   (3, 0.88, "2=")])  # fmt: skip
def test_ties_of_few_seeds_agree(
    chosen: Callable[..., Any], n: int, snip: float, second: str
) -> None:
    """Two seeds say nothing of a tie."""
    con = chosen({
        ("dense", 1.0): [0.9] * n, ("imp", 0.5): [0.9] * n, ("snip", 0.5): [snip] * n,
    }, test_examples=10)  # fmt: skip
    (table,) = leaderboard(con).tables
    shown = [line[1].text for line in table.lines()][1:]
    (suite,) = suite_facts(con)
    grid = ranking(suite.tasks[0]).parts[0]
    on_page = [row.cells[1].text for row in grid.rows][1:]  # type: ignore[union-attr]
    assert shown == on_page == ["1", second]


SPREAD = {
    ("dense", 1.0): [0.96, 0.98, 0.94],
    ("imp", 0.5): [0.92, 0.96, 0.98],
    ("imp/reinit", 0.5): [0.90, 0.94, 0.90],
    ("snip", 0.5): [0.80, 0.88, "diverged"],
}
STOPS = {
    ("dense", 1.0): [400, 500, 800],
    ("imp", 0.5): [200, 600, 100],
    ("imp/reinit", 0.5): [400, 700, 300],
    ("snip", 0.5): [100, 100, 100],
}
LOSSES = {
    ("dense", 1.0): [0.10, 0.12, 0.17],
    ("imp", 0.5): [0.11, 0.19, 0.13],
    ("imp/reinit", 0.5): [0.20, 0.21, 0.29],
    ("snip", 0.5): [0.40, 0.45, 0.40],
}


@pytest.fixture(scope="module")
def spread(chosen: Callable[..., Any]) -> Any:
    return chosen(SPREAD, stops=STOPS, metrics={"test_loss": LOSSES}, test_examples=IMAGES)


@pytest.mark.parametrize("metric", ["test_accuracy", "test_loss"])
@pytest.mark.parametrize("label", ["imp", "snip"])
def test_compare_and_claims_agree_with_the_board(spread: Any, metric: str, label: str) -> None:
    """Interval, verdict, failure rule and margin, of any metric."""
    rows = leaderboard(spread, Question(metric=metric)).rows
    (row,) = [r for r in rows if (r["label"], r["control"]) == (label, "none")]
    sides = [
        [s for s in samples(spread, metric=metric) if (s.label, s.control) == (name, "none")]
        for name in ("dense", label)
    ]
    (group,) = groups(*sides, by_name=False)
    line = compare(group, Options(measure(metric)))[0]
    verdict = line.verdict
    assert (verdict.kind, verdict.n, verdict.lost) == (
        row["verdict"], row["difference_n"], row["lost"],
    )  # fmt: skip
    for one, column in ((verdict.margin, "margin"), (verdict.p, "p")):
        assert alike(one, row[column]), column
    assert line.interval is not None
    for one, column in zip(line.interval[:3], ("", "_low", "_high"), strict=True):
        assert alike(one, row[f"difference{column}"]), column
    cells = of_claims.cells_of(samples(spread, metric=metric))
    task = (row["model"], row["dataset"], row["recipe"])
    claim = Claim(
        name="c", text="", source="", metric=metric, of=Side(label, "none", task, (0.5,)),
        versus=Side("dense", "none", task, (1.0,)), compare="difference", bound="at_least",
        threshold=-1.0, published=None,
    )  # fmt: skip
    found = finding(claim, cells)
    assert found.ours is not None and found.n == row["difference_n"]
    for one, column in zip(found.ours[:3], ("", "_low", "_high"), strict=True):
        assert alike(one, row[f"difference{column}"]), column
    assert found.kind == ("not reproduced" if row["lost"] else "reproduced")


def test_the_speed_board_agrees_with_its_view(spread: Any) -> None:
    """Geometric means of the ratios seed by seed, not the ratio of the means."""
    rows = leaderboard(spread, Question(by="speed")).rows
    board = {(r["label"], r["control"]): r for r in rows if r["label"] != "dense"}
    view = spread.sql("FROM convergence WHERE label <> 'dense'").df().to_dict("records")
    assert len(view) == len(board)
    for row in view:
        mine = board[row["label"], row["control"]]
        assert alike(row["step_ratio_dense"], mine["ratio"])
        assert alike(row["step_ratio_ticket"], mine["ticket_ratio"])
        for column in ("n", "early_stop_step", "low", "high", "early_stop_accuracy"):
            assert alike(row[column], mine[column]), column
    ratios = [x / d for x, d in zip(STOPS["imp", 0.5], STOPS["dense", 1.0], strict=True)]
    assert alike(board["imp", "none"]["ratio"], math.prod(ratios) ** (1 / 3))


def test_without_a_worst_value_fewer_lost_seeds_rank_earlier(chosen: Callable[..., Any]) -> None:
    """Where a metric has no worst value, by the share of seeds lost: as for costs and losses."""
    con = chosen(
        {
            ("dense", 1.0): [0.9] * 4,
            ("imp", 0.5): [0.9, 0.9, 0.9, "failed"],
            ("snip", 0.5): [0.9, 0.9, "failed", "failed"],
            ("one_shot", 0.5): [0.9] * 4,
        },
        stops={
            ("imp", 0.5): [300] * 4, ("snip", 0.5): [100] * 4, ("one_shot", 0.5): [900] * 4,
        },
    )  # fmt: skip
    for question in (Question(by="speed"), Question(metric="early_stop_step")):
        ranks = {r["label"]: r["rank"] for r in leaderboard(con, question).rows}
        assert ranks == {"dense": ranks["dense"], "one_shot": 1, "imp": 2, "snip": 3}


def test_a_label_has_the_same_name_everywhere(chosen: Callable[..., Any]) -> None:
    """Terminal, figures and page, of a control of a ticket that was found elsewhere, too."""
    con = chosen({
        ("dense", 1.0): [0.9] * 3, ("imp", 0.5): [0.9, 0.8, 0.9], ("imp/reinit", 0.5): [0.7] * 3,
    }, sources={"imp": ("mlp", "mnist", "mlp")})  # fmt: skip
    rows = [r for r in leaderboard(con).rows if r["label"] == "imp"]
    names = {full_name(row) for row in rows}
    assert names == {"imp from mnist", "imp/reinit from mnist"}
    ((_, series),) = evidence.density_series(con).items()
    assert {line.name for line in series if not line.is_dense} == names
    assert {s.name for s in evidence.subjects(con) if not s.is_dense} == names
    (suite,) = suite_facts(con)
    assert {s.name for s in suite.tasks[0].standings if not s.is_dense} == names


AGAINST_SNIP = {
    ("dense", 1.0): [0.98, 0.97, 0.98, 0.98],
    ("imp", 0.5): [0.95, 0.94, 0.96, 0.95],
    ("snip", 0.5): [0.91, 0.90, 0.92, 0.92],
    ("one_shot", 0.5): [0.91, 0.90, 0.92, "skipped"],
    ("imp", 0.2): [0.90, 0.91, 0.90, 0.90],
    ("snip", 0.2): [0.90, 0.91, 0.90, 0.90],
    ("one_shot", 0.2): [0.70, 0.72, 0.71, 0.69],
}


def test_the_page_compares_with_the_suites_baseline(chosen: Callable[..., Any]) -> None:
    """Not with dense: every number and verdict of the page is the leaderboard's."""
    con = chosen(AGAINST_SNIP, baseline="snip", test_examples=1000)
    (table,) = leaderboard(con).tables
    (suite,) = suite_facts(con)
    (task,) = suite.tasks
    grid = ranking(task).parts[0]
    titles = [column.title for column in grid.columns]  # type: ignore[union-attr]
    assert titles[4] == table.header[4] == "Δ snip"
    shown = {(row.cells[0].text, row.cells[2].text): row.cells for row in grid.rows}  # type: ignore[union-attr]
    assert len(shown) == 7
    density = ""
    for line in table.lines():
        density = f"{float(line[0].text):g}" if line[0].text else density
        cells = shown[density, line[2].text]
        for mine, theirs in ((3, 3), (4, 4), (5, 5), (6, 6)):
            assert cells[mine].text == line[theirs].text
        assert cells[5].style == line[5].style
    assert shown["50", "imp"][5].text == "better"  # against dense it is worse
    assert shown["20", "imp"][5].text == "≈ snip"
    assert [s.name for s in task.standings if s.is_baseline] == ["snip", "snip"]

    said = [
        "".join(p if isinstance(p, str) else p.text for p in part.pieces)
        for part in summary(task).parts if part.kind == "prose"
    ]  # fmt: skip
    assert "Methods are compared with snip, the baseline of the suite." in said
    # at 50% one_shot has a seed that cannot be reached, which matches nothing
    assert "Shown to be less than 0.5 points below snip: imp down to 20%." in said
    best = next(part for part in summary(task).parts if part.kind == "grid")
    assert [(row.cells[1].text, row.cells[4].text) for row in best.rows] == [
        ("imp", "better"), ("imp", "equivalent (within ±0.5 points)"),
    ]  # fmt: skip
