"""Summary, leaderboard and failures as a reader meets them."""

from __future__ import annotations

import re

import pytest

from lth_bench.analysis.page.gather import suite_facts
from lth_bench.output.page.sections.ranking import failures, ranking
from lth_bench.output.page.sections.summary import summary


@pytest.fixture
def task(results):
    def make(**scenario):
        (suite,) = suite_facts(results(**scenario))
        return suite.tasks[0]

    return make


def said(section) -> list[str]:
    """The paragraphs of a section."""
    return [
        "".join(p if isinstance(p, str) else p.text for p in part.pieces)
        for part in section.parts
        if part.kind == "prose"
    ]


def cells(grid) -> list[list[str]]:
    return [[cell.text for cell in row.cells] for row in grid.rows]


def test_the_summary_of_a_clear_result(task) -> None:
    # imp loses .02 (1 − d)² and random .15 (1 − d)²; the seeds differ by .002
    known = task(strategies=("dense", "imp", "random"), seeds=range(10), densities=(0.98, 0.1))
    first, dense, matching = said(summary(known))
    assert first == (
        "2 methods (imp and random) at 2 densities, from 98% of the weights down to 10%, on "
        "10 seeds (0 to 9)."
    )
    mean = sum(known.dense.sample.values.values()) / 10
    assert dense.startswith(
        f"The dense network has a test accuracy of {100 * mean:.2f}% (95% interval "
    )
    assert matching == (
        "Shown to be less than 0.5 points below the dense run: imp and random down to 98%."
    )
    grid = summary(known).parts[-1]
    assert [(row[0], row[1], row[4], row[5]) for row in cells(grid)][1] == (
        "10", "imp", "worse", "none",
    )  # fmt: skip


def test_the_summary_mentions_too_few_seeds(task) -> None:
    texts = said(summary(task(seeds=(0, 1), controls=("reinit",))))
    assert texts[0].endswith("on 2 seeds (0, 1), with re-initialised copies as controls.")
    assert texts[2] == "No ticket is shown to be less than 0.5 points below the dense run."
    assert texts[3] == (
        "6 of 6 comparisons with the dense run are open: neither better, worse nor equivalent is "
        "shown."
    )


def test_the_summary_forecasts_open_comparisons(task) -> None:
    text = next(text for text in said(summary(task())) if "comparisons with the dense run" in text)
    assert re.search(r"; in the median of these .* seeds would settle it in 4 of 5 cases\.$", text)


def test_the_summary_counts_failed_and_missing_results(task) -> None:
    outcomes = {
        ("imp", 0): ("failed", "a"), ("snip", 0): ("skipped", "b"), ("one_shot", 0): ("oom", "c"),
        ("one_shot", 1): ("interrupted", "d"),
    }  # fmt: skip
    known = task(outcomes=outcomes)
    assert said(summary(known))[1] == (
        "13 of 21 results are in; 2 failed, 2 were skipped and 4 are still to come."
    )
    rows = {(row[0], row[2]): row for row in cells(ranking(known).parts[0])}
    assert rows["50", "imp"][5:8:2] == ["1 failed", "2/3"]


def test_the_leaderboard_row_by_row(task) -> None:
    known = task(strategies=("dense", "imp", "snip"), controls=("reinit",))
    grid = ranking(known).parts[0]
    assert [column.title for column in grid.columns] == [
        "density %", "#", "method", "accuracy %", "Δ dense", "verdict", "detects", "Δ ticket", "n",
        "early stop", "early stop %", "train", "search", "FLOPs",
    ]  # fmt: skip
    first = cells(grid)[0]
    assert [first[0], first[2], *first[8:10], *first[11:]] == [
        "100", "dense", "3", "600", "1,000", "0", "1.00",
    ]  # fmt: skip
    row, control = grid.rows[1], grid.rows[2]
    assert (row.facets, control.facets) == ((0, 0), (0, 1))
    assert (row.first, control.first) == (True, False)
    assert (row.style, control.style, grid.rows[0].style) == ("", "dim", "dense")
    assert row.cells[3].style == "best"
    assert control.cells[2].text == f"{row.cells[2].text}/reinit"
    assert (row.cells[7].text, control.cells[1].text) == ("", "")
    assert control.cells[7].text.startswith("−")
    assert float(row.cells[6].text) > 0
    assert [facet.title for facet in grid.facets] == ["density %", "show"]


def test_failures_by_reason(task) -> None:
    known = task(outcomes={
        ("imp", 0): ("failed", "first\nsecond"), ("imp", 2): ("failed", "first\nsecond"),
        ("snip", 1): ("skipped", ""),
    })  # fmt: skip
    grid = failures(known).parts[0]
    assert [(row[0], row[1], row[2], row[3], row[4], row[6]) for row in cells(grid)] == [
        ("imp", "failed", "4", "50, 20", "0, 2", "first\nsecond"),
        ("snip", "skipped", "2", "50, 20", "1", "no reason was recorded"),
    ]
    assert list(grid.facets[0].values) == ["failed", "skipped"]


def test_a_long_reason_is_cut(task) -> None:
    grid = failures(task(outcomes={("imp", 0): ("failed", "x" * 5000)})).parts[0]
    reason = cells(grid)[0][6]
    assert len(reason) < 2010
    assert reason.endswith(" …")


def test_without_failures_there_is_no_section(task) -> None:
    assert failures(task()) is None
