"""What a card says in a sentence or two, and what to do next."""

from __future__ import annotations

from typing import Any

import pytest

from lth_bench.analysis.card import cards
from lth_bench.analysis.card.finding import next_steps, of_whole, settled_by, with_seeds
from lth_bench.analysis.leaderboard import Question, leaderboard
from lth_bench.running.request import RunRequest

DENSE = ("dense", 1.0)
GOOD = [0.95, 0.951, 0.952, 0.951]
EVEN = [0.90, 0.91, 0.92, 0.90]
BAD = [0.80, 0.82, 0.83, 0.81]


def card(con: Any) -> Any:
    (found,) = cards(con, Question(), leaderboard(con).rows)
    return found


@pytest.mark.parametrize(
    ("cells", "sentence"),
    [
        ({DENSE: EVEN, ("imp", 0.5): GOOD, ("snip", 0.5): BAD, ("rigl", 0.5): BAD},
         ("imp is best at 50% of the weights, ahead of all others. Only imp is shown to match the "
         "dense run")),
        ({DENSE: EVEN, ("imp", 0.5): GOOD, ("snip", 0.5): GOOD},
         ("imp is first at 50% of the weights, tied with snip. The cheapest of 2 that match the "
         "dense run: ")),
        ({DENSE: EVEN, ("imp", 0.5): BAD},
         ("imp reaches 81.50% accuracy at 50% of the weights. None matches the dense run: the "
         "first is worse by 9.25 points.")),
        ({DENSE: EVEN, ("imp", 0.5): [0.8, 0.93, 0.9, 0.97]}, ("None is shown to match the dense "
         "run yet.")),
        ({DENSE: EVEN[:2], ("imp", 0.5): GOOD[:2]},
         "imp is ahead at 50% of the weights on 2 seeds: too few to tell, it takes 3."),
        ({("imp", 0.5): GOOD}, "There is no dense run to compare with."),
        ({DENSE: EVEN, ("imp", 0.5): ["failed"] * 4},
         "No method has a result at 50% of the weights, each 4 failed."),
    ],
)  # fmt: skip
def test_one_task(chosen, cells: Any, sentence: str) -> None:
    assert sentence in card(chosen(cells)).finding


def test_a_baseline_that_is_the_first_itself(chosen) -> None:
    """It has no difference to itself to be told."""
    con = chosen({DENSE: GOOD, ("imp", 0.5): EVEN, ("snip", 0.5): BAD}, baseline="imp")
    assert "None matches imp: the next is worse by 9.25 points." in card(con).finding


def test_several_tasks(chosen) -> None:
    cells = {("mlp", *DENSE): EVEN, ("vit", *DENSE): EVEN, ("lstm", *DENSE): EVEN}
    cells |= {(m, "imp", 0.5): GOOD for m in ("mlp", "vit")}
    cells |= {("mlp", "snip", 0.5): BAD, ("vit", "snip", 0.5): GOOD, ("lstm", "snip", 0.5): BAD}
    found = card(chosen(cells))
    assert found.finding.startswith(
        "imp is first on 2 of 3 tasks, snip on 1; tied with others on 1 of them."
    )
    assert "Cheapest that matches the dense run: " in found.finding


def test_several_tasks_of_too_few_seeds_have_leaders_and_none_that_is_ahead(chosen) -> None:
    cells = {(m, *DENSE): EVEN[:2] for m in ("mlp", "vit")}
    cells |= {("mlp", "imp", 0.5): GOOD[:2], ("mlp", "snip", 0.5): BAD[:2]}
    cells |= {("vit", "imp", 0.5): BAD[:2], ("vit", "snip", 0.5): GOOD[:2]}
    said = card(chosen(cells)).finding
    assert said.endswith(" on 1, on 2 seeds each: too few to tell, it takes 3.")
    more = {("mlp", *DENSE): EVEN, ("mlp", "imp", 0.5): GOOD, ("mlp", "snip", 0.5): BAD}
    said = card(chosen(cells | more)).finding
    assert " on 1, on 2 seeds each on 1 of them: too few to tell, it takes 3. Cheapest" in said
    assert "ahead" not in said


def test_failures_come_first_then_what_is_to_come(chosen) -> None:
    found = card(chosen({DENSE: EVEN, ("imp", 0.5): [0.9, "failed", None, 0.9]}))
    assert [step.command for step in found.next] == [
        'lth-bench query "FROM failures"',
        "lth-bench run quickstart --seeds 3",
    ]


def test_two_seeds_become_five(chosen) -> None:
    found = card(chosen({DENSE: EVEN[:2], ("imp", 0.5): GOOD[:2]}))
    assert [step.command for step in found.next] == ["lth-bench run quickstart --seeds 5"]


def test_seeds_that_settle_half_of_the_open_verdicts() -> None:
    command = "lth-bench run a.toml --seeds 3 -m mlp"
    (step,) = settled_by(command, [9, None, 6, 40])
    assert step.why == "9 seeds would likely settle 2 of 4 open verdicts"
    assert step.command == "lth-bench run a.toml -m mlp --seeds 9"
    assert settled_by(command, [None, None]) == []
    assert settled_by(command, [None, None, 8])[0].why.startswith("8 seeds would likely settle 1")


def test_a_part_of_a_suite_is_merged_before_seeds_are_added(chosen) -> None:
    part = "lth-bench run a.toml --shard 2/2 --results b.duckdb"
    request = RunRequest.from_arguments(suite="a.toml", shard=(2, 2))
    assert request.command == "lth_bench.run('a.toml', shard='2/2')"
    for cells in ({DENSE: EVEN[:2], ("imp", 0.5): GOOD[:2]},
                  {DENSE: EVEN, ("imp", 0.5): [0.8, 0.93, 0.9, 0.97]}):  # fmt: skip
        for command in (part, request.command):
            (step,) = next_steps(card(chosen(cells)).tasks, command)
            assert step.why == "this is part 2 of 2; merge all parts before judging or adding seeds"
            assert step.command == "lth-bench merge PART.duckdb … --results all.duckdb"


def test_merged_parts_are_the_whole_suite() -> None:
    parts = [f"lth-bench run a.toml --shard={i}/2 --results {i}.duckdb" for i in (1, 2)]
    assert of_whole(parts[1], parts[1:]) == parts[1]
    assert of_whole(parts[1], parts, " --results all.duckdb") == (
        "lth-bench run a.toml --results all.duckdb"
    )
    assert of_whole("lth-bench run a.toml", parts) == "lth-bench run a.toml"
    calls = [f"lth_bench.run('a', shard='{i}/2')" for i in (1, 2)]
    assert of_whole(calls[0], calls) == "lth_bench.run('a')"


def test_other_seeds_in_a_command() -> None:
    assert with_seeds("lth-bench run 'my suite.toml' --seeds=0,4 --smoke", 8) == (
        "lth-bench run 'my suite.toml' --smoke --seeds 8"
    )


def test_a_call_from_python_has_the_argument() -> None:
    assert with_seeds("lth_bench.run(quickstart)", 9) == "lth_bench.run(quickstart, seeds=9)"
