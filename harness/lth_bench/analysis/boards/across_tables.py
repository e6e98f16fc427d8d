"""Tables of the leaderboards across tasks."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import groupby

from lth_bench.analysis.boards.across import rows
from lth_bench.analysis.boards.baseline import Baselines
from lth_bench.analysis.boards.judging import STYLES
from lth_bench.analysis.boards.rows import BoardRow, versus
from lth_bench.analysis.boards.scores import Scores
from lth_bench.analysis.numbers import kept, p_value, ratio
from lth_bench.analysis.table import Board, Cell, Line, Style, Table
from lth_bench.system.text import printable


def board(scores: Scores, against: Baselines) -> Board:
    """The leaderboard across tasks."""
    found = rows(scores, against)
    differences = scores.scale in ("points", "value")
    what = "mean difference to" if differences else "mean ratio to"
    unit = scores.measure.difference_unit if differences else ""
    legend = (
        f"Ranked by {scores.what}; a task is one observation, its mean over the seeds, and a seed "
        "that was lost or cannot be reached is the worst. density: mean target; level: the "
        "tasks' densities differ, and each task's k-th densest are compared. mean rank: over the "
        "tasks. #: 1–3: places of the labels that it is not told apart from. group: labels that "
        "share a letter are not told apart (signed-rank tests of all pairs at 95% with Holm's "
        "correction, after Friedman's test)."
    )
    if scores.scale != "rank":
        legend += (
            f" {_delta(scores.scale, against.short)}: interquartile {what} {against.word} over the "
            f"tasks{f', in {unit}' if unit else ''}. won: tasks at which it is "
            "the better one. p: signed-rank test of these differences, with Holm's correction for "
            "the number of labels. verdict: from it; needs 8+: tasks below which no result could "
            "be significant."
        )
    tables = [
        _table(suite, list(members), scores)
        for suite, members in groupby(found, key=lambda r: r["suite"])
    ]
    return Board("leaderboard", found, tables, legend)


def _table(suite: str, members: list[BoardRow], scores: Scores) -> Table:
    by_level = members[0]["target_density"] is not None
    most = max(row["tasks"] for row in members)
    tested = scores.scale != "rank"
    base = versus(members[0])
    header = (
        *(("density %",) if by_level else ()), "#", "strategy", "mean rank", "group",
        *((_delta(scores.scale, base), "won", "p", "verdict") if tested else ()), "tasks",
    )  # fmt: skip
    blocks = [
        [_line(row, not n, by_level, scores) for n, row in enumerate(block)]
        for _, block in groupby(members, key=lambda r: (r["level"], r["target_density"]))
    ]
    return Table(
        header=header, blocks=blocks, title=f"across {most} tasks by {scores.what}",
        group=suite, left=frozenset({header.index("strategy"), header.index("group")}),
        notes=tuple(dict.fromkeys(_notes(members, tested))),
    )  # fmt: skip


def _delta(scale: str, base: str) -> str:
    return f"× {base}" if scale == "ratio" else f"Δ {base}"


def _line(row: BoardRow, first: bool, by_level: bool, scores: Scores) -> Line:
    best: Style = "best" if row["rank"] == 1 else ""
    enough = row["tasks"] >= row["pairs_needed"]
    ranked = row["rank"] is not None
    cells = [
        *((Cell(_level(row) if first else "", "strong"),) if by_level else ()),
        Cell(_places(row) if ranked else "", best),
        Cell(printable(row["label"]), best),
        Cell(f"{row['mean_rank']:.2f}" if ranked else "–", best),
        Cell((row["group"] or "") if enough else "–"),
    ]
    if scores.scale != "rank":
        style = STYLES.get(row["verdict"] or "", "")
        cells += [
            Cell(_size(row, scores), style),
            Cell("" if row["wins"] is None else str(row["wins"])),
            Cell("" if row["verdict"] is None else p_value(row["p_holm"])),
            Cell(_word(row), style),
        ]
    return (*cells, Cell(str(row["tasks"])))


def _level(row: BoardRow) -> str:
    if row["level"] is None:
        return kept(row["target_density"])
    return f"level {row['level']}: {kept(row['density_low'])}–{kept(row['density_high'])}"


def _places(row: BoardRow) -> str:
    low, high = row["rank_low"], row["rank_high"]
    return str(row["rank"]) if low == high else f"{low}–{high}"


def _size(row: BoardRow, scores: Scores) -> str:
    if row["difference"] is None:
        return "" if row["verdict"] is None else "–"
    if scores.scale == "ratio":
        return ratio(row["difference"])
    return scores.measure.difference(row["difference"])


def _word(row: BoardRow) -> str:
    return f"needs {row['needed']}+" if row["verdict"] == "insufficient" else row["verdict"] or ""


def _notes(rows: list[BoardRow], tested: bool) -> Iterator[str]:
    for (tasks, pairs), group in groupby(
        (r for r in rows if r["rank"] is not None), key=lambda r: (r["tasks"], r["pairs_needed"])
    ):
        members = list(group)
        needed = max((r["needed"] for r in members if r["needed"] is not None), default=0)
        labels = len({r["label"] for r in members})
        if tasks < pairs:
            yield (
                f"{tasks} tasks are too few to tell {labels} labels apart: signed-rank tests with "
                f"Holm's correction need {pairs} at least"
                + (f", {needed} to compare them with {versus(members[0])} only"
                   if tested and needed > tasks else "")
            )  # fmt: skip
    for row in rows:
        if row["rank"] is None:
            tasks = f"{row['tasks']} task{'s' if row['tasks'] > 1 else ''}"
            yield f"{printable(row['label'])} has a score on {tasks} only and is not ranked"
