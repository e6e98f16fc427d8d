"""Each rule, kept and broken."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from lth_bench.maintenance.verify.rules import RULES, broken, rules_board
from lth_bench.output.terminal import as_text
from lth_bench.suite.source import shipped

SOUND: dict[str, Any] = {"suite": "mine", "seeds": (0, 1, 2)}


def messages(con: Any, rule: str) -> list[str]:
    return [one.message for one in broken(con) if one.rule == rule]


def test_sound_results_break_no_rule(results: Callable[..., Any]) -> None:
    assert broken(results(**SOUND)) == []


@pytest.mark.parametrize(
    ("rule", "changes", "told"),
    [
        ("seeds", {"seeds": (0, 1)}, "mine: dense on mlp/digits/mlp has 2 seeds, and 3 are the"),
        (
            "complete",
            {"outcomes": {("imp", 1): ("oom", "x")}},
            "mine: 2 rows are oom; rerun the suite with --retry oom",
        ),
        ("provenance", {"source_hash": None}, "mine: 12 of 12 experiments lack the source hash of"),
        ("grid", {"strategies": ("imp", "snip")}, "mine: mlp/digits/mlp has no dense run to"),
    ],
)
def test_a_broken_rule_says_what_and_where(
    results: Callable[..., Any], rule: str, changes: dict[str, Any], told: str
) -> None:
    found = messages(results(**{**SOUND, **changes}), rule)
    assert found
    assert found[0].startswith(told)


def test_what_the_method_lost_is_a_result(results: Callable[..., Any]) -> None:
    con = results(**SOUND, outcomes={("imp", 1): ("diverged", "NaN")})
    assert messages(con, "complete") == []


def test_a_shipped_suites_name_means_that_suite(results: Callable[..., Any]) -> None:
    text = shipped()["quickstart"].read_text("utf-8")
    assert messages(results(suite="quickstart", toml=text), "suites") == []


@pytest.mark.parametrize(
    ("before", "after", "told"),
    [
        ("seeds = ", "seeds = 1", "quickstart has other suite than the shipped suite; give a"),
        ("[recipes", "[[", "quickstart has other text than the shipped suite"),
    ],
)
def test_a_changed_text_under_a_shipped_name_is_told(
    results: Callable[..., Any], before: str, after: str, told: str
) -> None:
    text = shipped()["quickstart"].read_text("utf-8").replace(before, after)
    (message,) = messages(results(suite="quickstart", toml=text), "suites")
    assert message.startswith(told)


def test_what_tuning_adds_is_no_change(results: Callable[..., Any]) -> None:
    text = shipped()["quickstart"].read_text("utf-8")
    text += '\n[[strategies]]\nuse = "imp"\nlabel = "imp-tuned"\ntuned = []\n'
    assert messages(results(suite="quickstart", toml=text), "suites") == []


def test_the_table_fits_80_columns_whatever_is_broken(results: Callable[..., Any]) -> None:
    found = broken(results(**{**SOUND, "seeds": (0, 1), "source_hash": None}))
    for some in ([], found):
        lines = as_text(rules_board(Path("mine.duckdb"), some)).splitlines()
        assert max(map(len, map(str.rstrip, lines))) <= 80
        words = " ".join(" ".join(lines).split())
        assert all(one.message.split()[0] in words for one in some)


def test_every_rule_has_a_sentence_and_a_name_of_its_own() -> None:
    assert len({rule.name for rule in RULES}) == len(RULES) == 6
    assert all(rule.text and not rule.text.endswith(".") for rule in RULES)
