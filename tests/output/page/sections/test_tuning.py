"""The section Tuning: what it says, and when there is none."""

from __future__ import annotations

import json
import statistics
from collections.abc import Callable
from typing import Any

import pytest

from lth_bench.analysis.page.gather import suite_facts
from lth_bench.output.page.content import Grid, Plots, Section
from lth_bench.output.page.sections.tuning import DRAWN, tuning

TUNED = {"strategies": ("dense", "imp", "imp-tuned", "snip"), "tuned": {"imp-tuned": "imp"}}


@pytest.fixture
def section(results: Callable[..., Any]) -> Callable[..., Section | None]:
    def make(**scenario: Any) -> Section | None:
        return tuning(suite_facts(results(**scenario))[0])

    return make


def cells(grid: Grid) -> list[list[str]]:
    return [[cell.text for cell in row.cells] for row in grid.rows]


def grids(section: Section | None) -> list[Grid]:
    assert section is not None
    return [part for part in section.parts if isinstance(part, Grid)]


def test_without_trials_there_is_no_section(section: Any) -> None:
    assert section(**TUNED) is None


@pytest.mark.slow
def test_gains_of_tuning_are_those_of_the_database(results: Any, search: Any) -> None:
    con = results(**TUNED, searches=[search()])
    bought, studies, _ = grids(tuning(suite_facts(con)[0]))
    pairs = con.execute(
        "SELECT target_density, list(t.test_accuracy - o.test_accuracy) FROM tickets_flat t "
        "JOIN tickets_flat o USING (target_density, seed) "
        "WHERE t.label = 'imp-tuned' AND o.label = 'imp' GROUP BY ALL ORDER BY 1 DESC"
    ).fetchall()
    rows = cells(bought)
    assert [row[1:3] for row in rows] == [["imp-tuned", "50"], ["imp-tuned", "20"]]
    for row, (_, found) in zip(rows, pairs, strict=True):
        mean, reach = statistics.mean(found), 4.3027 * statistics.stdev(found) / 3**0.5
        assert row[5] == f"{100 * mean:+.2f} ± {100 * reach:.2f}".replace("-", "−")
        assert row[7:] == ["3", "42.0k"]
    (study,) = cells(studies)
    best = search().trial(search().best)
    assert study[1:4] == ["imp", "accuracy", "20"]
    assert study[4] == "10; 2; 0"
    assert study[6:8] == [f"{100 * best['values'][0]:.2f}%", str(best["number"])]
    assert f"prune_rate.conv {best['params']['prune_rate.conv']:.4g}" in study[8]


def test_trials_on_the_front_come_first(section: Any, search: Any) -> None:
    found = section(searches=[search(objectives=("accuracy", "cost"), trials=15)])
    _, trials = grids(found)
    rows = cells(trials)
    marks = ["(front)" in row[0] for row in rows]
    assert marks == sorted(marks, reverse=True)
    assert 1 < sum(marks) < 15
    assert [p for p in found.parts if isinstance(p, Plots)]


def test_a_suite_that_was_only_tuned_has_a_section(page: Any, search: Any) -> None:
    found = page(alone=True, searches=[search()])
    assert found.root.one("h2", id="s1").text.endswith("quickstart")
    assert len(found.numbers["plots"]) == len(found.root.all("figure")) > 5
    assert "Tuning" in found.root.one("nav").text


@pytest.mark.slow
def test_the_studies_with_most_trials_are_drawn(section: Any, search: Any) -> None:
    searches = [search(label=f"imp{n}", trials=2 + n % 3) for n in range(DRAWN + 2)]
    found = section(searches=searches)
    plots = [p for p in found.parts if isinstance(p, Plots)]
    assert len(plots) == DRAWN
    said = ["".join(map(str, p.pieces)) for p in found.parts if p.kind == "prose"]
    assert any(f"{DRAWN} of {DRAWN + 2} studies are drawn" in text for text in said)
    studies, *_ = grids(found)
    assert len(studies.rows) == DRAWN + 2


HOSTILE = "</script><b>x</b>&lt;\u202e%{x}'\""


def test_hostile_names_are_escaped(page: Any, search: Any) -> None:
    distribution = json.dumps(
        {"name": "CategoricalDistribution", "attributes": {"choices": [HOSTILE, "b", None]}}
    )
    change = {
        n: {"params": {HOSTILE: (HOSTILE, "b", None)[n % 3], "rate<i>": 0.1 * n},
            "distributions": {HOSTILE: distribution,
                              "rate<i>": '{"name": "FloatDistribution", "attributes": '
                                         '{"low": 0.0, "high": 9.0}}'},
            "sampler": HOSTILE, "budget": {HOSTILE: HOSTILE}}
        for n in range(12)
    }  # fmt: skip
    found = page(
        alone=True,
        searches=[search(label=HOSTILE, suite=HOSTILE, task=(HOSTILE,) * 3, changes=change)],
    )
    section = found.section("tuning")
    assert {e.tag for e in section.all("b")} == set()
    assert HOSTILE.replace("\u202e", "�") in section.text
    drawn = json.dumps(found.numbers["plots"])
    assert "<b>x" not in drawn and "<i>" not in drawn
    assert "&lt;/script&gt;" in drawn


@pytest.mark.parametrize("values", [[None], [float("nan")], [], [0.1, 0.2, 0.3], None])
def test_invalid_values_of_trials_give_tables_without_plots(
    page: Any, search: Any, values: Any
) -> None:
    change: dict[str, Any] = {"values": values, "params": {}, "distributions": {}}
    found = page(alone=True, searches=[search(changes=dict.fromkeys(range(12), change))])
    assert found.numbers["plots"] == []
    assert found.section("tuning").all("table")


def test_seeds_that_the_search_used_are_left_out(results: Any, search: Any) -> None:
    con = results(**TUNED, searches=[search(seeds=(2, 100))])
    bought, *_ = grids(tuning(suite_facts(con)[0]))
    found = con.execute(
        "SELECT avg(t.test_accuracy), avg(t.test_accuracy - o.test_accuracy) FROM tickets_flat t "
        "JOIN tickets_flat o USING (target_density, seed) "
        "WHERE t.label = 'imp-tuned' AND o.label = 'imp' AND seed <> 2 "
        "GROUP BY target_density ORDER BY target_density DESC"
    ).fetchall()
    for row, (tuned, mean) in zip(cells(bought), found, strict=True):
        assert row[7] == "2"
        assert row[4].startswith(f"{100 * tuned:.2f}")
        assert row[5].startswith(f"{100 * mean:+.2f}".replace("-", "−"))
